"""A process of nnU-Net seen from outside: started, listened to, and ended with everything that it has started."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medseg.errors import NonFiniteLossError, OutOfMemoryError, TrainingError
from medseg.training.nnunet.messages import received

log = logging.getLogger(__name__)

TAIL_LINES = 12
STOP_TIMEOUT_S = 5.0
# what nnU-Net says when the operating system has killed one of its worker processes
LOST_WORKER = ("6 feet under", "Background workers died", "background workers are no longer alive")


def run(
    command: str,
    *arguments: str,
    environment: Mapping[str, str],
    folder: Path,
    heard: Callable[[dict[str, Any]], None] = lambda message: None,
) -> None:
    """Run a command of ``child.py`` to its end, with ``folder`` as its working directory.

    Args:
        heard: called with every message of the process.

    Raises:
        OutOfMemoryError, NonFiniteLossError: as the process found, or it was killed from outside.
        TrainingError: it ended in any other way; with its exit code and last lines.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "medseg.training.nnunet.child", str(os.getpid()), command, *arguments],
        env={**os.environ, **environment},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # its group is ended as a whole; Ctrl-C reaches it through us alone
    )
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    failure: TrainingError | None = None
    # orphaned workers would keep the output open after the process itself is gone
    sweeper = threading.Thread(target=_end_group_after, args=(process,))
    sweeper.start()
    assert process.stdout is not None
    try:
        for line in process.stdout:
            message = received(line)
            if message is None:
                if line.strip():
                    tail.append(line.rstrip())
                    log.debug("nnU-Net: %s", line.rstrip())
            elif message["event"] == "failure":
                failure = _named(message)
            else:
                heard(message)
        code = process.wait()
    finally:
        _stop(process)
        sweeper.join()
        process.stdout.close()
    if code:
        raise failure or _failure(command, code, list(tail))


def _failure(command: str, code: int, tail: list[str]) -> TrainingError:
    """What an exit code other than 0 and the last lines of the output say."""
    shown = "\n".join(["its last lines:", *tail])
    if code == -signal.SIGKILL or any(words in line for line in tail for words in LOST_WORKER):
        return OutOfMemoryError(
            f"a process of nnU-Net's {command} was killed, most likely for its memory; give the machine or the pod more"
            f" of it, or lower network.gpu_memory_gb or train.workers of this model; {shown}"
        )
    last = tail[-1].strip() if tail else "without a word"
    return TrainingError(f"nnU-Net's {command} ended with exit code {code}: {last}; {shown}")


def _named(message: Mapping[str, Any]) -> TrainingError:
    kinds: dict[str, type[TrainingError]] = {kind.__name__: kind for kind in (OutOfMemoryError, NonFiniteLossError)}
    return kinds[message["kind"]](message["reason"])


def _end_group_after(process: subprocess.Popen[str]) -> None:
    process.wait()
    _signal_group(process, signal.SIGKILL)


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        _signal_group(process, signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
