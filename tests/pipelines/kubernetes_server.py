"""A server that plays the part of the Kubernetes API that doctor reads, over plain manifests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.serving import running

Manifest = dict[str, Any]
TOKEN = "a-token-of-tests"
PLURALS = {"StorageClass": "storageclasses", "WorkloadPriorityClass": "workloadpriorityclasses"}
PAGE = 2  # so that lists come in parts


class KubernetesServer:
    """A cluster made of manifests.

    Attributes:
        manifests: all objects; groups other than the core are there while an object of them is.
        forbidden: resources, by their plural, that nobody may read.
        denied: ``verb resource`` that reviews say no to.
        token: that is let in.
        page: of something else that listens there, whose answer it is to everything.
    """

    def __init__(self, manifests: list[Manifest]) -> None:
        self.manifests = manifests
        self.forbidden: set[str] = set()
        self.denied: set[str] = set()
        self.token = TOKEN
        self.page: bytes | None = None
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.answer(self, None)

            def do_POST(self) -> None:
                served.answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig with the contexts ``test`` and ``expired``."""
        users = {"test": TOKEN, "expired": "a-token-of-yesterday"}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": name, "user": {"token": token}} for name, token in users.items()],
            "contexts": [{"name": name, "context": {"cluster": "test", "user": name}} for name in users],
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def answer(self, request: BaseHTTPRequestHandler, body: Manifest | None) -> None:
        if self.page is not None:
            self._send_bytes(request, 200, self.page)
            return
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            self._send(request, 401, _status(401, "Unauthorized"))
            return
        parts = urlsplit(request.path)
        names = parts.path.strip("/").split("/")
        resource = next((name for name in names if name in self.forbidden), None)
        if resource:
            text = f'{resource} is forbidden: User "jane" cannot read resource "{resource}"'
            self._send(request, 403, _status(403, text))
        elif body is not None:
            attributes = body["spec"]["resourceAttributes"]
            allowed = f"{attributes['verb']} {attributes['resource']}" not in self.denied
            self._send(request, 201, {**body, "status": {"allowed": allowed}})
        else:
            found = self._found(names, parse_qs(parts.query))
            self._send(request, 200 if found else 404, found or _status(404, "not found"))

    def _found(self, names: list[str], query: dict[str, list[str]]) -> Manifest | None:
        if names == ["version"]:
            return {"gitVersion": "v1.36.1"}
        version = names[1] if names[0] == "api" else "/".join(names[1:3])
        objects = [m for m in self.manifests if m["apiVersion"] == version]
        if names[0] == "apis" and len(names) == 2:
            return self._group(names[1])
        rest = names[2:] if names[0] == "api" else names[3:]
        if rest[0] == "namespaces" and len(rest) > 2:
            objects = [m for m in objects if m["metadata"].get("namespace") == rest[1]]
            rest = rest[2:]
        objects = [m for m in objects if _plural(m["kind"]) == rest[0]]
        if len(rest) == 2:
            return next((m for m in objects if m["metadata"]["name"] == rest[1]), None)
        for selector in query.get("labelSelector", []):
            objects = [m for m in objects if _labelled(m, selector)]
        start = int(query.get("continue", ["0"])[0])
        more = {"continue": str(start + PAGE)} if start + PAGE < len(objects) else {}
        return {"kind": "List", "metadata": more, "items": objects[start : start + PAGE]}

    def _group(self, group: str) -> Manifest | None:
        versions = {m["apiVersion"] for m in self.manifests if m["apiVersion"].startswith(f"{group}/")}
        return {"preferredVersion": {"groupVersion": max(versions)}} if versions else None

    def _send(self, request: BaseHTTPRequestHandler, status: int, body: Manifest) -> None:
        self._send_bytes(request, status, json.dumps(body).encode())

    def _send_bytes(self, request: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)


@contextmanager
def kubernetes_serving(manifests: list[Manifest]) -> Iterator[KubernetesServer]:
    """A cluster that answers as long as the context is open."""
    server = KubernetesServer(manifests)
    with running(server.http):
        yield server


def manifest(kind: str, name: str, api: str = "v1", namespace: str | None = "kubeflow", **rest: Any) -> Manifest:
    """An object; ``namespace`` None belongs to the whole cluster."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api, "kind": kind, "metadata": metadata | rest.pop("metadata", {}), **rest}


def node(name: str, taint: str | None = None, labels: dict[str, str] | None = None, **offers: str) -> Manifest:
    """A node that is ready; ``offers`` replaces or adds to 16 CPUs, 64 GiB and 200 GiB of disk."""
    allocatable = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "200Gi"} | offers
    images: list[Manifest] = [{"names": [f"docker.io/library/medseg:{tag}"]} for tag in ("0.1.0", "0.1.0-cuda")]
    images += [{"names": ["docker.io/library/other@sha256:abc"]}, {"names": None}]
    taints = [{"key": taint, "effect": "NoSchedule"}] if taint else None
    return manifest(
        "Node",
        name,
        namespace=None,
        metadata={"labels": labels or {}},
        spec={"taints": taints},
        status={"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}], "images": images},
    )


def _labelled(found: Manifest, selector: str) -> bool:
    key, _, value = selector.partition("=")
    return bool(found["metadata"].get("labels", {}).get(key) == value)


def _plural(kind: str) -> str:
    return PLURALS.get(kind, kind.lower() + "s")


def _status(code: int, message: str) -> Manifest:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
