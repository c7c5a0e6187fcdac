"""How the Kubernetes API is asked, and what its refusals mean."""

from __future__ import annotations

import json
import os
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError
from yaml import YAMLError

from pipelines.doctor.finding import UnknownError
from pipelines.errors import ClusterError
from pipelines.proxy import login_headers, proxy_of

TIMEOUT_S = (3.0, 15.0)  # to connect, and to answer
PAGE = 500
OTHER = "check the server's address in the kubeconfig, and whether a proxy or a login page stands before it"
DEFAULT = "~/.kube/config"


class KubeError(ClusterError):
    """The cluster cannot be asked at all.

    Args:
        mend: what to do about it.
    """

    def __init__(self, text: str, mend: str) -> None:
        super().__init__(text)
        self.mend = mend


class Kube:
    """One cluster; objects are plain mappings as in their manifests, which no newer version of Kubernetes breaks."""

    def __init__(self, api: client.ApiClient, context: str) -> None:
        self.api = api
        self.context = context

    @property
    def host(self) -> str:
        return self.api.configuration.host

    def get(self, path: str) -> dict[str, Any] | None:
        """The object at ``path``, such as ``/api/v1/nodes/a``; None where there is none.

        Raises:
            UnknownError: this user may not read it, or the cluster failed.
            KubeError: the cluster was not reached, or does not know this user.
        """
        return self._ask("GET", path)

    def items(self, path: str, labels: str = "") -> list[dict[str, Any]]:
        """All objects of the collection at ``path`` with these labels, such as ``a=1,b=2``; raises as ``get``."""
        found: list[dict[str, Any]] = []
        query = {"limit": str(PAGE)} | ({"labelSelector": labels} if labels else {})
        while page := self._ask("GET", path, query=query):
            found += page["items"]
            if not (token := page.get("metadata", {}).get("continue")):
                break
            query["continue"] = token
        return found

    def review(self, group: str, resource: str, name: str, verb: str, namespace: str, user: str) -> bool:
        """Whether a user may do it; an empty ``name`` means any. Raises as ``get``."""
        asked = {"group": group, "resource": resource, "name": name, "verb": verb, "namespace": namespace}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": asked},
        }
        answer = self._ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=body)
        return bool(answer and answer.get("status", {}).get("allowed"))

    def _ask(self, method: str, path: str, query: dict[str, str] | None = None, body: Any = None) -> Any:
        try:
            answer, _, _ = self.api.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": "application/json"},
                body=body,
                response_type="object",
                auth_settings=["BearerToken"],
                _request_timeout=TIMEOUT_S,
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise self._named(error) from error
        except (HTTPError, OSError) as error:
            raise KubeError(f"no answer from {self.host} ({_reason(error)})", _UNREACHED) from error
        if not isinstance(answer, dict):
            raise KubeError(f"{self.host} does not answer {path} as Kubernetes does, but with a page or nothing", OTHER)
        return answer

    def _named(self, error: ApiException) -> Exception:
        if error.status == 401:
            return KubeError(
                f"{self.host} refused the credentials of context {self.context!r}: the token has expired or is wrong",
                "log in again, until `kubectl get namespaces` answers",
            )
        if not error.status:  # TLS
            return KubeError(f"{self.host}: {error.reason}", "give the cluster's certificate in the kubeconfig")
        message = _message(error)
        if error.status == 403:
            return UnknownError(f"this user lacks a right: {message}")
        return UnknownError(f"{self.host} answered {error.status}: {message}")


_UNREACHED = "check VPN, proxy and that the cluster runs: `kubectl cluster-info`"


def open_kube(context: str | None) -> Kube:
    """The cluster of the kubeconfig's current context, or of the named one.

    Raises:
        KubeError: there is no kubeconfig, or no such context in it.
    """
    place = os.environ.get("KUBECONFIG", DEFAULT)  # the library reads it only once
    try:
        contexts, current = config.list_kube_config_contexts(place)
        names = [entry["name"] for entry in contexts]
        if context and context not in names:
            raise KubeError(f"the kubeconfig has no context {context!r}", f"choices: {', '.join(names)}")
        configuration = client.Configuration()
        configuration.retries = 1
        config.load_kube_config(place, context, configuration, persist_config=False)
        if proxy := configuration.proxy or proxy_of(configuration.host):
            configuration.proxy, configuration.proxy_headers = proxy, login_headers(proxy)
        api = client.ApiClient(configuration)
    except (ConfigException, YAMLError, OSError, TypeError, ValueError) as error:  # the library passes on any damage
        raise KubeError(
            f"no kubeconfig to reach a cluster with, in {place} ({' '.join(str(error).split())})",
            "set KUBECONFIG to the file that your cluster's administrator gave you, or `kind export kubeconfig`",
        ) from error
    return Kube(api, context or current["name"])


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error).rpartition(": ")[2]
