"""The embedded server ends with its owner in every way an owner can end, and shares its folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from medseg.config import StoreConfig
from medseg.storage import open_store, session
from medseg.storage.embedded import embedded_server, rclone_path

OWNER = """
import os, sys, time
from pathlib import Path
from medseg.config import StoreConfig
from medseg.storage import open_store, session
with session(StoreConfig(embedded_folder=Path(sys.argv[1]))) as uri:
    store = open_store(uri)
    store.put_bytes("started", b"")
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    try:
        print(*children, flush=True)  # the signal may follow at once
        time.sleep(60)
    except KeyboardInterrupt:
        store.put_bytes("last words", b"")
        raise
"""

WRITER = """
import sys
from pathlib import Path
from medseg.config import StoreConfig
from medseg.storage import open_store, session
with session(StoreConfig(embedded_folder=Path(sys.argv[1]))) as uri:
    store, data = open_store(uri), bytes(3_000_000)
    while True:
        store.put_bytes("checkpoint", data)
        print("written", flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "s3"


@pytest.fixture
def owner(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process, leader of its own group, that holds a session; and its server's process id."""
    if sys.platform != "linux":
        pytest.skip("only Linux lists the children of a process in /proc")
    command = [sys.executable, "-c", OWNER, str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as p:
        assert p.stdout
        yield p, int(p.stdout.readline())
        p.kill()


def test_ctrl_c_lets_the_last_upload_through_and_leaves_no_server(
    owner: tuple[subprocess.Popen[str], int], folder: Path
) -> None:
    process, server = owner
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole foreground group
    process.wait(10)
    assert _ends(server)
    assert (folder / "medseg" / "last words").exists()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_owner_leaves_no_server(owner: tuple[subprocess.Popen[str], int], how: signal.Signals) -> None:
    process, server = owner
    process.send_signal(how)
    process.wait(10)
    assert _ends(server)


@pytest.mark.parametrize("pause_s", [0.0, 0.01, 0.02, 0.03])
def test_an_object_outlives_the_owner_that_was_killed_while_it_replaced_it(folder: Path, pause_s: float) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells a server that its owner was killed")
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(pause_s)
        (server,) = (int(one) for one in Path(f"/proc/{writer.pid}/task/{writer.pid}/children").read_text().split())
        writer.kill()
    assert _ends(server)
    assert [(path.name, path.stat().st_size) for path in (folder / "medseg").iterdir()] == [("checkpoint", 3_000_000)]


def test_what_a_killed_upload_left_is_removed_by_a_later_server_but_not_what_another_one_writes(folder: Path) -> None:
    left, written = (folder / "medseg" / "run" / f".rclone_temp_multipart_{name}" for name in ("left", "written"))
    left.parent.mkdir(parents=True)
    for file in (left, written):
        file.write_bytes(b"part")
    os.utime(left, (time.time() - 3600,) * 2)
    with embedded_server(folder):
        assert written.exists()
        assert not left.exists()


def test_the_keys_are_not_in_the_process_list(owner: tuple[subprocess.Popen[str], int]) -> None:
    _, server = owner
    line = Path(f"/proc/{server}/cmdline").read_bytes()
    environment = Path(f"/proc/{server}/environ").read_text()
    _, secret = environment.split("RCLONE_AUTH_KEY=")[1].split('"')[1].split(",")
    assert b"rclone" in line
    assert secret.encode() not in line


def test_an_exception_stops_the_server(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), embedded_server(folder) as endpoint:
        _ = 1 / 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(endpoint.url.rsplit(":", 1)[1])))


def test_a_session_restores_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://elsewhere")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of other keys")
    before = dict(os.environ)
    with session(StoreConfig(embedded_folder=folder)) as uri:
        open_store(uri).put_bytes("a", b"")
    assert dict(os.environ) == before
    assert (folder / "medseg" / "a").exists()


def test_a_child_process_reaches_the_store(s3_uri: str) -> None:
    code = f"from medseg.storage import open_store; open_store({s3_uri!r}).put_bytes('from-child', b'1')"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert open_store(s3_uri).get_bytes("from-child") == b"1"


def test_the_recipes_endpoint_and_keys_are_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of other keys")
    config = StoreConfig(
        uri="s3://bucket/prefix/",
        endpoint_url="http://host",
        access_key=SecretStr("key"),
        secret_key=SecretStr("secret"),
    )
    with session(config) as uri:
        assert uri == "s3://bucket/prefix"
        assert os.environ["AWS_ENDPOINT_URL_S3"] == "http://host"
        assert os.environ["AWS_SECRET_ACCESS_KEY"] == "secret"
        assert "AWS_SESSION_TOKEN" not in os.environ


def test_a_folder_needs_no_server(tmp_path: Path) -> None:
    with session(StoreConfig(uri=f"file://{tmp_path}")) as uri:
        assert uri == str(tmp_path)


def test_eight_servers_start_at_once_over_one_folder(folder: Path) -> None:
    def start(_: int) -> str:
        with embedded_server(folder) as endpoint:
            return endpoint.url

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(start, range(8)))) == 8


def test_what_one_server_writes_another_shows(folder: Path) -> None:
    with ExitStack() as stack:
        stores = [open_store(stack.enter_context(session(StoreConfig(embedded_folder=folder)))) for _ in range(2)]
        for content in (b"running", b"succeeded"):
            stores[0].put_bytes("status", content)
            time.sleep(0.15)  # longer than a server remembers a folder
            assert stores[1].get_bytes("status") == content
        (folder / "medseg" / "by-hand").write_text("x")
        assert stores[1].get_bytes("by-hand") == b"x"
        assert [item.key for item in stores[1].list()] == ["by-hand", "status"]


def test_the_users_rclone_settings_are_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RCLONE_CONFIG", "/dev/full")
    monkeypatch.setenv("RCLONE_ADDR", "0.0.0.0:0")
    monkeypatch.setenv("RCLONE_READ_ONLY", "true")
    with session(StoreConfig(embedded_folder=folder)) as uri:
        open_store(uri).put_bytes("a", b"1")


def test_a_server_that_cannot_start_shows_the_end_of_its_log(folder: Path) -> None:
    limit = "import resource as r; r.setrlimit(r.RLIMIT_AS, (500 * 2**20,) * 2)"  # enough for Python, not for rclone
    start = f"from medseg.storage.embedded import *; embedded_server(Path({str(folder)!r})).__enter__()"
    done = subprocess.run([sys.executable, "-c", f"{limit}; {start}"], capture_output=True, text=True)
    assert "StorageError: the embedded S3 server does not start" in done.stderr
    assert done.stderr.splitlines()[-1] == (folder.parent / "s3.log").read_text().splitlines()[-1]


def test_memory_stays_bounded_while_large_objects_go_up_and_down(folder: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux shows the memory of a process in /proc")
    before = _children()
    with session(StoreConfig(embedded_folder=folder)) as uri, ThreadPoolExecutor(6) as pool:
        (server,) = _children() - before
        store, data = open_store(uri), bytes(32 * 2**20)
        for _ in pool.map(lambda i: store.put_bytes(f"large/{i}", data), range(6)):
            pass
        assert all(content == data for content in pool.map(lambda i: store.get_bytes(f"large/{i}"), range(6)))
        status = Path(f"/proc/{server}/status").read_text()
    peak_kib = int(status.split("VmHWM:")[1].split()[0])
    assert peak_kib < 350 * 1024


def test_the_program_comes_with_the_package() -> None:
    assert rclone_path().name.startswith("rclone")


def _ends(process_id: int, within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not Path(f"/proc/{process_id}").exists() or " Z " in Path(f"/proc/{process_id}/stat").read_text():
            return True
        time.sleep(0.02)
    return False


def _children() -> set[int]:
    return {int(one) for path in Path("/proc/self/task").glob("*/children") for one in path.read_text().split()}
