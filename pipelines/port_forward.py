"""A tunnel from a local port to a service in the cluster, through kubectl, opened again when it breaks."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.errors import ClusterError

OPEN_S = 60.0  # some kubeconfigs log in first
PAUSE_S = 1.0
_LOG_LINE = re.compile(r"[EWIF]\d{4} ")  # kubectl's own, before the sentence that it means for people


@contextmanager
def port_forward(service: str, port: int, namespace: str, context: str | None) -> Iterator[str]:
    """Yield the local address of a service's port.

    Raises:
        ClusterError: there is no kubectl, or it could not reach the service; with kubectl's own words.
    """
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise ClusterError(
            "no kubectl on the PATH to reach the cluster with: install it"
            " (https://kubernetes.io/docs/tasks/tools/), or give Kubeflow Pipelines' address with --endpoint"
        )
    local = _free_port()
    where = [*(["--context", context] if context else []), "--namespace", namespace]
    tunnel = _Tunnel([kubectl, *where, "port-forward", "--address=127.0.0.1", f"service/{service}", f"{local}:{port}"])
    try:
        tunnel.open()
        yield f"http://127.0.0.1:{local}"
    finally:
        tunnel.close()


class _Tunnel:
    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._closing = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def open(self) -> None:
        with tempfile.TemporaryFile("w+") as errors:
            process = self._start(errors.fileno())
            given_up = threading.Timer(OPEN_S, process.kill)
            given_up.start()
            assert process.stdout is not None
            line = process.stdout.readline()
            given_up.cancel()
            if not line:
                process.wait()
                errors.seek(0)
                raise ClusterError(_refused(self._command, errors.read()))
        threading.Thread(target=self._keep, daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def _start(self, errors: int) -> subprocess.Popen[str]:
        # a session of its own: Ctrl-C in the terminal is ours to answer, the tunnel is still needed then
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        )
        return self._process

    def _keep(self) -> None:
        """kubectl ends when the pod behind the service goes; the next pod is reached through the same port."""
        while not self._closing.is_set():
            assert self._process is not None
            assert self._process.stdout is not None
            for _line in self._process.stdout:  # its notes of each connection would fill the pipe
                pass
            self._process.wait()
            if not self._closing.wait(PAUSE_S):
                self._start(subprocess.DEVNULL)


def _refused(command: list[str], said: str) -> str:
    words = " ".join(line for line in said.splitlines() if not _LOG_LINE.match(line)).strip()
    return (
        f"no port-forward to the cluster: {words or f'kubectl gave no answer for {OPEN_S:.0f} s'}\n"
        f"  tried: {' '.join(command)}\n"
        "  choose the cluster with --context and $KUBECONFIG, where Kubeflow Pipelines runs with --namespace, or give"
        " its address with --endpoint"
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
