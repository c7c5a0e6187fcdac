"""How a command reaches Kubeflow Pipelines: at an address, from a pod inside, or through the kubeconfig."""

from __future__ import annotations

import argparse
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from medseg.cluster_config import ClusterConfig
from pipelines.errors import ClusterError
from pipelines.port_forward import port_forward
from pipelines.proxy import proxy_of
from pipelines.refusals import ENDPOINT, LOGIN, TOKEN, named_errors

if TYPE_CHECKING:
    from pipelines.kfp_client import Client

UI_ENDPOINT = "KF_PIPELINES_UI_ENDPOINT"  # as ENDPOINT, a variable that KFP's own client reads
TOKEN_PATH = "KF_PIPELINES_SA_TOKEN_PATH"
PROJECTED_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
SERVICE, PORT = "ml-pipeline", 8888
KFP_NAMESPACE = "kubeflow"
UI_PORT = 8080
PROBE_S = 15


@dataclass(frozen=True)
class Connection:
    """An open way to Kubeflow Pipelines.

    Attributes:
        client: of KFP; its calls raise ClusterError out of ``connect``'s context when the server refuses.
        namespace: of the runs; a server without users of its own ignores it.
        endpoint: where its API answers.
        ui_url: where a person opens its pages.
        ui_hint: command that makes ``ui_url`` answer; empty where it answers already.
        version: that the server tells, e.g. 2.17.0.
        multi_user: each namespace is somebody's own.
    """

    client: Client
    namespace: str
    endpoint: str
    ui_url: str
    ui_hint: str
    version: str
    multi_user: bool

    def run_url(self, run_id: str) -> str:
        return f"{self.ui_url}/#/runs/details/{run_id}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where Kubeflow Pipelines is and who asks; the same for every command that speaks to a cluster."""
    group = parser.add_argument_group("cluster")
    group.add_argument(
        "--endpoint",
        metavar="URL",
        help=f"of Kubeflow Pipelines; default ${ENDPOINT}, else a port-forward through the kubeconfig",
    )
    group.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"bearer token, e.g. of a service account; default ${TOKEN_PATH}, else the token in ${TOKEN}",
    )
    group.add_argument("--namespace", help=f"of the runs; default the recipe's, else {ClusterConfig().namespace}")
    group.add_argument("--context", help="of the kubeconfig; default its current one")


def given(options: argparse.Namespace) -> str:
    """What was given of ``add_arguments``, to be put behind a command that a person is told to type."""
    names = {
        "--endpoint": options.endpoint,
        "--token-file": options.token_file,
        "--namespace": options.namespace,
        "--context": options.context,
    }
    return "".join(f" {name} {shlex.quote(str(value))}" for name, value in names.items() if value)


@contextmanager
def connect(options: argparse.Namespace, namespace: str | None = None) -> Iterator[Connection]:
    """Open a connection and ask the server for its version.

    Args:
        namespace: of the recipe, which ``--namespace`` overrides.

    Raises:
        ClusterError: no way to the server, or it refused what was asked inside the context; with the next step.
    """
    namespace = options.namespace or namespace or ClusterConfig().namespace
    with ExitStack() as stack:
        endpoint, ui_url, hint = _reach(options, namespace, stack)
        from pipelines.kfp_client import open_client

        proxy = urlsplit(proxy_of(endpoint) or "").netloc.rpartition("@")[2]  # without a password
        way = f"{endpoint} through the proxy {proxy}" if proxy else endpoint
        stack.enter_context(named_errors(way, namespace))
        client = open_client(endpoint, namespace, ui_url, *_token(options.token_file))
        health = _health(client, way)
        multi_user = bool(health.get("multi_user") or health.get("apiServerMultiUser"))
        version = str(health.get("tag_name") or health.get("apiServerTagName") or "unknown")
        yield Connection(client, namespace, endpoint, ui_url, hint, version, multi_user)


def _reach(options: argparse.Namespace, namespace: str, stack: ExitStack) -> tuple[str, str, str]:
    """API address, UI address, and the command that makes the latter answer."""
    if endpoint := options.endpoint or os.environ.get(ENDPOINT):
        endpoint = _checked(endpoint)
        return endpoint, os.environ.get(UI_ENDPOINT, endpoint).rstrip("/"), ""
    if os.environ.get("KUBERNETES_SERVICE_HOST") and not options.context:
        endpoint = f"http://{SERVICE}.{KFP_NAMESPACE}.svc:{PORT}"
    else:
        endpoint = _forward(namespace, options.context, stack)
    if ui_url := os.environ.get(UI_ENDPOINT):
        return endpoint, ui_url.rstrip("/"), ""
    context = f" --context {options.context}" if options.context else ""
    hint = f"kubectl{context} --namespace {KFP_NAMESPACE} port-forward service/ml-pipeline-ui {UI_PORT}:80"
    return endpoint, f"http://localhost:{UI_PORT}", hint


def _forward(namespace: str, context: str | None, stack: ExitStack) -> str:
    """Standalone KFP runs pods in its own namespace; with users, they have namespaces beside it."""
    try:
        return stack.enter_context(port_forward(SERVICE, PORT, namespace, context))
    except ClusterError as error:
        if namespace == KFP_NAMESPACE or "not found" not in str(error):
            raise
        return stack.enter_context(port_forward(SERVICE, PORT, KFP_NAMESPACE, context))


def _checked(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ClusterError(f"endpoint {endpoint!r}: must read http://host:port or https://host, with a path if any")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")  # without the UI's /#/runs


def _token(file: Path | None) -> tuple[str | None, str | None]:
    """The token itself, or the file that holds it; at most one."""
    named = file or os.environ.get(TOKEN_PATH)
    if named and not os.access(named, os.R_OK):
        raise ClusterError(f"token file {named} cannot be read: name one with --token-file or ${TOKEN_PATH}")
    if not named and os.environ.get(TOKEN):
        return os.environ[TOKEN].strip(), None
    if not named and PROJECTED_TOKEN.is_file():
        named = PROJECTED_TOKEN
    return None, str(named) if named else None


def _health(client: Client, endpoint: str) -> dict[str, Any]:
    """What the server says of itself; the API server's own answer, or that of the UI in front of it."""
    from kfp_server_api import ApiException

    answer = client.get("/apis/v2beta1/healthz", timeout_s=PROBE_S)
    if answer.status != 200 and answer.status != 404:
        raise ApiException(http_resp=answer)
    try:
        health = dict(json.loads(answer.data))
    except (TypeError, ValueError) as error:
        raise ClusterError(_no_kfp(client, endpoint)) from error
    if health.get("apiServerReady") is False:
        raise ClusterError(
            f"{endpoint} answers, but its API server does not: kubectl --namespace {KFP_NAMESPACE} get pods, and wait"
            f" for {SERVICE} to be ready"
        )
    if not {"multi_user", "apiServerMultiUser"} & health.keys():
        raise ClusterError(_no_kfp(client, endpoint))
    return health


def _no_kfp(client: Client, endpoint: str) -> str:
    old = client.get("/apis/v1beta1/healthz", timeout_s=PROBE_S)
    if old.status == 200 and b"multi_user" in old.data:
        return f"{endpoint} is Kubeflow Pipelines 1: version 2 is needed, 2.17 was tested"
    return (
        f"{endpoint} answers, but not as Kubeflow Pipelines (/apis/v2beta1/healthz): the endpoint needs the path under"
        f" which its UI opens, e.g. https://host/pipeline; {LOGIN}"
    )
