"""A real HTTP server for tests, on this machine alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Server:
    """Files over HTTP, also as Hugging Face gives them.

    Attributes:
        files: content by path.
        refused: status and headers by path.
        cuts: after so many bytes each of the next answers breaks off.
        ranges: whether parts of files are given.
        asked: first byte that was asked for, by request for a file.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.refused: dict[str, tuple[int, dict[str, str]]] = {}
        self.cuts: list[int] = []
        self.busy = 0
        self.ranges = True
        self.asked: list[int] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.answer(self)

            def do_HEAD(self) -> None:
                served.describe(self)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def url(self, name: str = "") -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{name}"

    def offer_repository(
        self, repo: str, file: str, content: bytes, license_: str | None = "mit", commit: str = COMMIT
    ) -> None:
        """A repository of Hugging Face with one file, which git keeps in its large file storage."""
        digest = hashlib.sha256(content).hexdigest()
        lfs = {"sha256": digest, "size": len(content), "pointerSize": 134}
        card = {"license": license_} if license_ else {}
        siblings = [{"rfilename": "README.md"}, {"rfilename": file, "size": len(content), "lfs": lfs}]
        about = json.dumps({"id": repo, "sha": commit, "cardData": card, "siblings": siblings}).encode()
        self.files[f"api/models/{repo}"] = about
        self.files[f"api/models/{repo}/revision/{commit}"] = about
        self.files[f"{repo}/resolve/{commit}/{file}"] = content

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = _path(request)
        content = self.files.get(path)
        start = int(request.headers.get("Range", "bytes=0-")[6:-1]) if self.ranges else 0
        if not path.startswith("api/"):
            self.asked.append(start)
        if content is None or self.busy or path in self.refused:
            self.busy = max(0, self.busy - 1)
            self._refuse(request, 404 if content is None else 503)
            return
        if start >= len(content) > 0:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(content)}")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        end = start + self.cuts.pop(0) if self.cuts and not path.startswith("api/") else len(content)
        request.wfile.write(content[start:end])

    def describe(self, request: BaseHTTPRequestHandler) -> None:
        """What Hugging Face tells of a file."""
        content = self.files.get(_path(request))
        if content is None or _path(request) in self.refused:
            self._refuse(request, 404)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        request.send_header("X-Repo-Commit", _path(request).split("/resolve/")[1].split("/")[0])
        request.end_headers()

    def _refuse(self, request: BaseHTTPRequestHandler, status: int) -> None:
        status, headers = self.refused.get(_path(request), (status, {}))
        request.send_response(status)
        for name, value in ({"Content-Length": "0"} | headers).items():
            request.send_header(name, value)
        request.end_headers()


@contextmanager
def running(http: HTTPServer) -> Iterator[None]:
    """Listens as long as the context is open."""
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@contextmanager
def serving() -> Iterator[Server]:
    """A server that listens as long as the context is open."""
    server = Server()
    with running(server.http):
        yield server


def _path(request: BaseHTTPRequestHandler) -> str:
    return request.path[1:].partition("?")[0]
