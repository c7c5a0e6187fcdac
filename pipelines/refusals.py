"""What it means that Kubeflow Pipelines refused a request or never answered it, and the next step."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from urllib3.exceptions import HTTPError

from pipelines.errors import ClusterError

ENDPOINT = "KF_PIPELINES_ENDPOINT"
TOKEN = "MEDSEG_KFP_TOKEN"
LOGIN = (
    "where a login page comes first, give a token (--token-file); cookies of a browser, as Dex and oauth2-proxy hand"
    " them out, are not taken: without an endpoint, kubectl forwards a port past them"
)


class WebPageError(HTTPError):
    """A page for people came where an answer was asked for."""

    status = 200  # nothing that passes by itself


@contextmanager
def named_errors(endpoint: str, namespace: str) -> Iterator[None]:
    """Say what a refused or lost request means, for all that is asked inside the context."""
    from kfp_server_api import ApiException

    try:
        yield
    except WebPageError as error:
        raise ClusterError(f"{endpoint} gave a web page instead of an answer ({error}): {LOGIN}") from error
    except ApiException as error:
        raise ClusterError(_refusal(error, endpoint, namespace)) from error
    except HTTPError as error:
        raise ClusterError(_lost(error, endpoint)) from error


def _refusal(error: Any, endpoint: str, namespace: str) -> str:
    if error.status == 401:
        return (
            f"{endpoint} does not know who asks (401): give a token with --token-file or ${TOKEN}, or a fresh one,"
            f" e.g. kubectl create token SERVICE_ACCOUNT --audience pipelines.kubeflow.org ({message_of(error)})"
        )
    if error.status == 403:
        return (
            f"{endpoint} does not allow this in namespace {namespace} (403): choose another with --namespace, or ask"
            f" for the role kubeflow-edit in it ({message_of(error)})"
        )
    return f"{endpoint} refused: {error.status} {message_of(error)}"


def message_of(error: Any) -> str:
    """What the server says of an ApiException, in one line."""
    try:
        body = json.loads(error.body)
        text = str(body.get("message") or body.get("error_message") or body.get("error") or error.reason)
    except (TypeError, ValueError, AttributeError):
        text = str(error.reason)
    return " ".join(text.split())[:400]


def _lost(error: Exception, endpoint: str) -> str:
    reason = getattr(error, "reason", None) or error
    said = re.sub(r"^.*?Connection(Pool)?\(.*?\): ", "", str(reason))
    what = f"{type(reason).__name__}: {said}"
    if type(reason).__name__ == "SSLError":
        return (
            f"{endpoint}: no secure connection ({what}): name the file of your site's certificates in $SSL_CERT_FILE,"
            " or check whether the address begins with http://"
        )
    if type(reason).__name__ in ("ProxyError", "ProxySchemeUnknown"):
        return (
            f"{endpoint}: the proxy of $HTTP_PROXY or $HTTPS_PROXY does not lead there ({what}): mend the variable, or"
            " name the host in $NO_PROXY where there is a way without it"
        )
    return (
        f"no answer from {endpoint} ({what}): check --endpoint or ${ENDPOINT}, whether the cluster runs, and whether"
        " this machine may reach it; without an endpoint, kubectl forwards a port"
    )
