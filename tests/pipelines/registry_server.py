"""A server that plays a container registry with anonymous tokens, as far as a question for a manifest goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.serving import running


class Registry(ThreadingHTTPServer):
    """Has the images in ``images``, as ``path:tag``; those in ``private`` are for logged-in users alone."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.images: set[str] = set()
        self.private: set[str] = set()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_HEAD(self) -> None:
        path, _, tag = self.path.removeprefix("/v2/").partition("/manifests/")
        if self.headers.get("Authorization") != "Bearer anonymous" or f"{path}:{tag}" in self.server.private:
            challenge = f'Bearer realm="http://{self.server.host}/token",service="test",scope="repository:{path}:pull"'
            self._answer(401, {"WWW-Authenticate": challenge})
        else:
            self._answer(200 if f"{path}:{tag}" in self.server.images else 404)

    def do_GET(self) -> None:
        asked = self.path.startswith("/token?") and "service=test" in self.path
        self._answer(200 if asked else 400, content=json.dumps({"token": "anonymous"}).encode())

    def _answer(self, status: int, headers: dict[str, str] | None = None, content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in ((headers or {}) | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def registry_serving() -> Iterator[Registry]:
    """A registry that answers as long as the context is open."""
    registry = Registry()
    with running(registry):
        yield registry
