"""What goes wrong with S3 is named within seconds; what passes is tried again."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from medseg.config import StoreConfig
from medseg.errors import AccessError, NotFoundError, StorageError, StorageFullError, UnreachableError
from medseg.storage import Store, open_store, session
from medseg.storage.s3_errors import named_error

KEYS = {"AWS_ACCESS_KEY_ID": "some-key", "AWS_SECRET_ACCESS_KEY": "some-secret"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No AWS settings but those that the test makes."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MEDSEG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    return monkeypatch


@pytest.mark.parametrize("call", [lambda s: s.exists("a"), lambda s: s.put_bytes("a", b""), lambda s: s.list()])
def test_a_missing_bucket_is_named_with_how_to_make_it(s3_uri: str, call: Callable[[Store], object]) -> None:
    with pytest.raises(NotFoundError, match=r"no bucket 'absent' at http://127.*s3 mb s3://absent"):
        call(open_store("s3://absent"))


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize("call", [lambda s: s.exists("a"), lambda s: s.put_bytes("a", b""), lambda s: s.list()])
def test_wrong_keys_are_named_with_the_variables(
    s3_uri: str, monkeypatch: pytest.MonkeyPatch, name: str, call: Callable[[Store], object]
) -> None:
    monkeypatch.setenv(name, "something-else")
    with pytest.raises(AccessError, match=r"http://127.*AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"):
        call(open_store(s3_uri))


def test_missing_keys_are_named_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(AccessError, match=r"no keys for S3 at http://127\.0\.0\.1:9: set AWS_ACCESS_KEY_ID"):
        open_store("s3://bucket")


@pytest.mark.parametrize("url", ["localhost:9000", "http://host/path", "ftp://host"])
def test_an_endpoint_that_is_no_url_is_refused(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(StorageError, match=r"must read http://host:port"):
        open_store("s3://bucket")


def test_a_refused_connection_ends_within_seconds(environment: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]
    _use(environment, port)
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=rf"no answer from http://127\.0\.0\.1:{port}.*refused"):
        open_store("s3://bucket").put_bytes("a", b"x")
    assert time.monotonic() - began < 5


def test_an_address_that_swallows_packets_ends_within_seconds(environment: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(2)]  # a full queue: the kernel drops what comes next
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        _use(environment, port)
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="no answer"):
            open_store("s3://bucket").get_bytes("a")
        assert 5 < time.monotonic() - began < 10
        for one in waiting:
            one.close()


def test_a_busy_server_is_asked_again(environment: pytest.MonkeyPatch) -> None:
    with _server([(503, _error("SlowDown")), (503, _error("SlowDown")), (200, b"content")]) as (port, asked):
        _use(environment, port)
        assert open_store("s3://bucket").get_bytes("a") == b"content"
    assert asked == ["GET /bucket/a"] * 3


def test_an_upload_to_a_busy_server_is_sent_again(environment: pytest.MonkeyPatch) -> None:
    with _server([(500, _error("InternalError")), (400, _error("RequestTimeout")), (200, b"")]) as (port, asked):
        _use(environment, port)
        open_store("s3://bucket").put_bytes("a", b"x" * 1000)
    assert asked == ["PUT /bucket/a"] * 3


def test_an_answer_that_breaks_off_is_asked_for_again(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with _server([(200, b"cont", 7), (200, b"content")]) as (port, _):
        _use(environment, port)
        open_store("s3://bucket").get_file("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"content"


def test_a_server_that_stays_busy_is_named_within_seconds(environment: pytest.MonkeyPatch) -> None:
    with _server([(503, _error("SlowDown"))] * 9) as (port, asked):
        _use(environment, port)
        began = time.monotonic()
        with pytest.raises(StorageError, match="SlowDown"):
            open_store("s3://bucket").get_bytes("a")
    assert time.monotonic() - began < 6
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (507, "XMinioStorageFull", StorageFullError),
        (403, "AccessDenied", AccessError),
        (400, "ExpiredToken", AccessError),
        (404, "NoSuchKey", NotFoundError),
        (405, "MethodNotAllowed", StorageError),
    ],
)
def test_refusals_are_named_and_not_repeated(
    environment: pytest.MonkeyPatch, status: int, code: str, kind: type[StorageError]
) -> None:
    with _server([(status, _error(code))]) as (port, asked):
        _use(environment, port)
        with pytest.raises(kind, match=r"s3://bucket/key"):
            open_store("s3://bucket").put_bytes("key", b"x")
    assert len(asked) == 1


def test_an_unknown_fault_is_still_a_storage_error() -> None:
    assert type(named_error(ValueError("odd"), "s3://b/k", "b", "http://host")) is StorageError


def test_a_full_disk_under_the_embedded_server_is_named(small_disk: Path) -> None:
    with (
        session(StoreConfig(embedded_folder=small_disk / "s3")) as uri,
        pytest.raises(StorageFullError, match="no space"),
    ):
        open_store(uri).put_bytes("large", bytes(4 * 2**20))


def test_a_full_disk_is_named_and_leaves_the_old_file(small_disk: Path) -> None:
    store = open_store(str(small_disk / "store"))
    store.put_bytes("large", b"old")
    with pytest.raises(StorageFullError, match=r"store.*no space"):
        store.put_bytes("large", bytes(4 * 2**20))
    assert [(item.key, item.size) for item in store.list()] == [("large", 3)]
    assert len(list((small_disk / "store").iterdir())) == 1


def test_a_read_only_disk_is_named(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(AccessError, match="read-only"):
        open_store(str(small_disk)).put_bytes("a", b"1")


def test_a_full_disk_while_downloading_is_named(s3_uri: str, small_disk: Path) -> None:
    store = open_store(s3_uri)
    store.put_bytes("larger-than-the-disk", bytes(4 * 2**20))
    with pytest.raises(StorageFullError, match="no space"):
        store.get_file("larger-than-the-disk", small_disk / "copy")
    assert list(small_disk.iterdir()) == []


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put_bytes("a", b"")
    with pytest.raises(StorageError, match=r"a/b: one path cannot be both a file and a folder"):
        store.put_bytes("a/b", b"")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _use(environment: pytest.MonkeyPatch, port: int) -> None:
    for name, value in (KEYS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}).items():
        environment.setenv(name, value)


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as the test wants</Message></Error>".encode()


@contextmanager
def _server(answers: list[tuple[int, bytes] | tuple[int, bytes, int]]) -> Iterator[tuple[int, list[str]]]:
    """A real HTTP server that gives one answer after the other: status, body, announced length if it is another."""
    left, asked = iter(answers), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(f"{self.command} {self.path}")
            status, body, *length = next(left)
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(length[0] if length else len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        yield server.server_port, asked
        server.shutdown()
