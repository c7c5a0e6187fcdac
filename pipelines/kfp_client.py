"""KFP's client as our commands need it: no file in the home folder, no warnings, no endless wait for an answer."""

from __future__ import annotations

import os
import warnings
from typing import Any
from urllib.parse import urlsplit

import kfp
import urllib3
from kfp.client import ServiceAccountTokenVolumeCredentials

from pipelines.proxy import connections
from pipelines.refusals import WebPageError

ANSWER_S = 60
# whoever waits for a run asks again by himself; urllib3 would tell of each attempt
ONCE = urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=3)


class Connections:
    """Answers to the generated client, which would wait for one without end and take a web page for an empty one."""

    def __init__(self, pool: urllib3.PoolManager) -> None:
        self.pool = pool

    def request(self, method: str, url: str, **named: Any) -> urllib3.BaseHTTPResponse:
        """As urllib3's own.

        Raises:
            WebPageError: a page with a status of success, as in front of a login, in the place of JSON.
        """
        answer = self.pool.request(method, url, **(named | {"timeout": named.get("timeout") or ANSWER_S}))
        if answer.status < 300 and not answer.data.lstrip().startswith(b"{"):
            raise WebPageError(f"{method} {urlsplit(url).path}: {answer.status}, but no JSON object")
        return answer


class Client(kfp.Client):
    """kfp.Client with the namespace that it is given.

    KFP's own reads and writes ``~/.config/kfp/context.json``: a namespace and cookies of an earlier day would decide
    unseen whose runs are shown.
    """

    def __init__(self, **given: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "only works with v2.0.0-beta.2 and later"
            super().__init__(**given)
        self.api_client = self._run_api.api_client
        rest = self.api_client.rest_client
        settings = rest.pool_manager.connection_pool_kw
        self._pool = connections(self.api_client.configuration.host, **settings, retries=ONCE)
        rest.pool_manager = Connections(self._pool)

    def get(self, path: str, timeout_s: float = ANSWER_S, **query: str) -> urllib3.BaseHTTPResponse:
        """What the generated client has no call for; with the same address, token and certificates."""
        headers: dict[str, str] = {}
        self.api_client.update_params_for_auth(headers, [], ["Bearer"])
        url = self.api_client.configuration.host + path
        return self._pool.request("GET", url, fields=query, headers=headers, timeout=timeout_s)

    def _load_context_setting_or_default(self) -> None:
        self._context_setting = {"namespace": "kubeflow"}  # kfp puts the namespace that it is given in its place


def open_client(endpoint: str, namespace: str, ui_url: str, token: str | None, token_file: str | None) -> Client:
    """A client that has not asked the server anything yet.

    Args:
        token_file: of a bearer token; read anew for every request, so that a projected token may be renewed.
    """
    return Client(
        host=endpoint,
        namespace=namespace,
        ui_host=ui_url,
        existing_token=token,
        credentials=ServiceAccountTokenVolumeCredentials(token_file) if token_file else None,
        ssl_ca_cert=os.environ.get("SSL_CERT_FILE"),
    )
