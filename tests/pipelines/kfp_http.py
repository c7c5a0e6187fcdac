"""HTTP beneath the server that plays Kubeflow Pipelines: requests, errors, lists in pages, uploaded files."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from tests.pipelines.kfp_models import from_json, to_json

FILTER_KEYS = ("name", "display_name")  # of others, recurring_run_id for one, the column is called otherwise
OPERATIONS = {1: "EQUALS", 2: "NOT_EQUALS", 8: "IN", 9: "IS_SUBSTRING"}


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    content: bytes

    def body(self, model: str) -> Any:
        """The JSON body as a model of kfp-server-api; 400 if it is not one."""
        try:
            return from_json(json.loads(self.content), model)
        except ValueError as error:
            raise RefusedError(400, f"invalid body: {error}") from error


class RefusedError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def page(name: str, collection: dict[str, Any], request: Request) -> Any:
    """One page of a list: filtered, sorted, counted."""
    found = [one for one in collection.values() if _passes(one, request.query.get("filter"))]
    if experiment := request.query.get("experiment_id"):
        found = [one for one in found if one.experiment_id == experiment]
    if sort := request.query.get("sort_by"):
        key, _, order = sort.partition(" ")
        found.sort(key=lambda one: getattr(one, key), reverse=order == "desc")
    start, size = int(request.query.get("page_token") or 0), int(request.query.get("page_size") or 20)
    answer = {name: [to_json(one) for one in found[start : start + size]], "total_size": len(found)}
    if start + size < len(found):
        answer["next_page_token"] = str(start + size)
    return answer


def _passes(one: Any, text: str | None) -> bool:
    """Whether an object passes a filter, written as protobuf's JSON takes it."""
    for predicate in json.loads(text)["predicates"] if text else []:
        operation = OPERATIONS.get(predicate["operation"], predicate["operation"])
        wanted = predicate.get("stringValue", predicate.get("string_value"))
        if predicate["key"] not in FILTER_KEYS or wanted is None or operation not in OPERATIONS.values():
            raise RefusedError(400, f"invalid filter: {predicate}")
        value = getattr(one, predicate["key"]) or ""
        if not {
            "EQUALS": value == wanted,
            "NOT_EQUALS": value != wanted,
            "IS_SUBSTRING": wanted in value,
            "IN": value in wanted,
        }[operation]:
            return False
    return True


def uploaded(request: Request) -> Any:
    """The spec in the uploaded file ``uploadfile``, as a pipeline version tells it."""
    kind = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(kind + request.content, policy=email.policy.HTTP)
    parts = [
        part for part in message.iter_parts() if part.get_param("name", header="content-disposition") == "uploadfile"
    ]
    if len(parts) != 1:
        raise RefusedError(400, "no file 'uploadfile'")
    documents = list(yaml.safe_load_all(parts[0].get_payload(decode=True)))
    try:
        json_format.ParseDict(documents[0], pipeline_spec_pb2.PipelineSpec())
        for platform in documents[1:]:
            json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    except json_format.ParseError as error:
        raise RefusedError(400, f"invalid pipeline spec: {error}") from error
    return {"pipeline_spec": documents[0], "platform_spec": documents[1]} if documents[1:] else documents[0]


class HttpServer(ThreadingHTTPServer):
    """Hands every request to ``answer``, which returns JSON or bytes, or raises RefusedError."""

    daemon_threads = True

    def __init__(self, port: int, answer: Callable[[Request], Any]) -> None:
        super().__init__(("127.0.0.1", port), type("Handler", (_Handler,), {"answer": staticmethod(answer)}))

    def handle_error(self, *_: object) -> None:
        """A client that left before its answer, as a person does with Ctrl-C."""


class _Handler(BaseHTTPRequestHandler):
    answer: Callable[[Request], Any]

    def _serve(self) -> None:
        address = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, address.path, dict(parse_qsl(address.query)), headers, content)
        try:
            answer, status = self.answer(request), 200
        except RefusedError as refusal:
            answer, status = {"code": refusal.status, "message": str(refusal), "error": str(refusal)}, refusal.status
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain" if isinstance(answer, bytes) else "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass
