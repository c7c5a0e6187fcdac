"""Whether the cluster and Kubeflow Pipelines answer, and make pods where the run wants them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.metadata import version

from pipelines.connection import KFP_NAMESPACE, SERVICE, connect
from pipelines.doctor.finding import Finding, NotReachedError, UnknownError, failed, ok, warning
from pipelines.doctor.kube import OTHER, KubeError, open_kube
from pipelines.doctor.visit import Visit
from pipelines.errors import ClusterError
from pipelines.refusals import ENDPOINT


def kubectl(visit: Visit) -> Iterator[Finding]:
    if found := shutil.which("kubectl"):
        yield ok("kubectl", found)
    else:
        yield warning(
            "kubectl",
            "is not on the PATH; without --endpoint it makes the way to Kubeflow Pipelines",
            "install it: kubernetes.io/docs/tasks/tools",
        )


def cluster(visit: Visit) -> Iterator[Finding]:
    """Opens the cluster for all checks that follow."""
    try:
        kube = open_kube(visit.options.context)
        answer = kube.get("/version")
        if answer is None:
            raise KubeError(f"{kube.host} has no /version, as Kubernetes has", OTHER)
    except KubeError as error:
        yield failed("cluster", str(error), error.mend)
    except UnknownError as error:  # a hardened cluster does not tell everybody
        visit.opened = kube
        yield warning("cluster", f"does not tell its version: {error}", "if more is skipped below, ask for the rights")
    else:
        visit.opened = kube
        yield ok("cluster", f"Kubernetes {answer.get('gitVersion', '?')} at {kube.host}, context {kube.context}")


def pipelines(visit: Visit) -> Iterator[Finding]:
    subject = "Kubeflow Pipelines"
    if visit.opened is None and not (visit.options.endpoint or os.environ.get(ENDPOINT)):
        raise NotReachedError  # the way to it goes through the cluster
    try:
        with connect(visit.options, visit.namespace) as connection:
            found, endpoint, visit.multi_user = connection.version, connection.endpoint, connection.multi_user
    except ClusterError as error:
        yield failed(subject, " ".join(str(error).split()), "")  # its words hold the mend
        return
    yield _version(subject, found, endpoint)


def place_of_pods(visit: Visit) -> Iterator[Finding]:
    """A server without users of its own makes pods only in the namespace that it runs in."""
    if visit.multi_user is False and not visit.kube.get(visit.path("services", SERVICE)):
        yield failed(
            "place of pods",
            f"namespace {visit.namespace} has no service {SERVICE}, and this server makes pods only where it runs",
            f"set cluster.namespace to that, most often {KFP_NAMESPACE}",
        )


def _version(subject: str, found: str, endpoint: str) -> Finding:
    sdk = version("kfp")
    text = f"{found} at {endpoint}, SDK {sdk}"
    server = _major_minor(found)
    if server is None:
        return warning(subject, f"{text}: the server does not tell its version", "2.17 is what was tested")
    if server[0] != 2:
        return failed(subject, text, "version 2 is needed, 2.17 is what was tested")
    if server < (_major_minor(sdk) or server):
        return warning(subject, f"{text}: the server is older than the SDK", "update it; 2.17 is what was tested")
    return ok(subject, text)


def _major_minor(text: str) -> tuple[int, int] | None:
    parts = text.removeprefix("v").split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) > 1 and parts[0].isdigit() and parts[1].isdigit() else None
