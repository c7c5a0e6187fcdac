"""How the manifests' own pods fare, which tell whether pods reach the bucket where this machine does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.doctor.finding import Finding, failed, ok, warning
from pipelines.doctor.names import BASE
from pipelines.doctor.visit import Visit

BUCKET_JOB = "medseg-bucket"
TENSORBOARD = "medseg-tensorboard"
STUCK = (
    *("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"),
    *("CreateContainerConfigError", "CreateContainerError", "CrashLoopBackOff"),
)


def bucket_job(visit: Visit) -> Iterator[Finding]:
    """The job that made the bucket, with the address and the keys that pods of runs get."""
    subject = f"job {BUCKET_JOB}"
    job = visit.kube.get(visit.path("jobs", BUCKET_JOB, "/apis/batch/v1"))
    if job is None:
        yield warning(subject, f"is not in namespace {visit.namespace}: no pod has tried the bucket", BASE)
        return
    again = f"kubectl -n {visit.namespace} delete job {BUCKET_JOB}, and {BASE}"
    if _condition(job, "Complete"):
        yield ok(subject, "is complete: its pod reached the bucket")
    elif ended := _condition(job, "Failed"):
        logs = f"kubectl -n {visit.namespace} logs job/{BUCKET_JOB} says why"
        yield failed(subject, f"has failed: {ended.get('message', '')}", f"{logs}; then {again}")
    elif stuck := _stuck(visit, BUCKET_JOB):
        yield failed(subject, f"its pod cannot start: {stuck}", f"mend that; then {again}")
    else:
        yield warning(subject, "has not ended yet", f"kubectl -n {visit.namespace} describe job {BUCKET_JOB}")


def tensorboard(visit: Visit) -> Iterator[Finding]:
    """No run needs it: what is wrong with it is a warning."""
    subject = "TensorBoard"
    deployment = visit.kube.get(visit.path("deployments", TENSORBOARD, "/apis/apps/v1"))
    if deployment is None:
        yield warning(subject, f"namespace {visit.namespace} has no deployment {TENSORBOARD}", BASE)
    elif _condition(deployment, "Available"):
        yield ok(subject, f"kubectl -n {visit.namespace} port-forward svc/{TENSORBOARD} 6006")
    else:
        why = _stuck(visit, TENSORBOARD) or "it may still copy the store's event files"
        logs = f"kubectl -n {visit.namespace} logs deployment/{TENSORBOARD}"
        yield warning(subject, f"is not available: {why}", logs)


def _condition(found: dict[str, Any], kind: str) -> dict[str, str] | None:
    """The condition of an object, if it holds."""
    conditions = found.get("status", {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind and one["status"] == "True"), None)


def _stuck(visit: Visit, name: str) -> str:
    """Why a pod's container does not start, in the kubelet's words."""
    for pod in visit.kube.items(visit.path("pods"), labels=f"app.kubernetes.io/name={name}"):
        for container in pod.get("status", {}).get("containerStatuses") or []:
            waiting = container.get("state", {}).get("waiting") or {}
            if waiting.get("reason") in STUCK:
                return f"{waiting['reason']}: {waiting.get('message', '')}"
    return ""
