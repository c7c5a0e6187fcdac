"""Whether the defaults that Argo's workflow controller gives every pod are those that a run needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from pipelines.connection import KFP_NAMESPACE
from pipelines.doctor.finding import Finding, UnknownError, ok, warning
from pipelines.doctor.visit import Visit, few

CONTROLLER = "workflow-controller-configmap"
PATCH = f"kubectl -n {KFP_NAMESPACE} patch configmap {CONTROLLER} --type merge --patch-file manifests/"
PATCH_RETRIES = f"{PATCH}kfp/workflow-controller-patch.yaml"
PATCH_CLAIMS = f"{PATCH}kfp/scratch-claims/workflow-controller-patch.yaml"


def retry(visit: Visit) -> Iterator[Finding]:
    """As shipped, the workflow controller's defaults defeat the retries that a recipe asks for."""
    subject = "retries"
    spec = _default_spec(visit)
    if spec is None:
        yield warning(subject, f"namespace {KFP_NAMESPACE} has no config map {CONTROLLER}", PATCH_RETRIES)
        return
    strategy = _part(spec, "templateDefaults", "retryStrategy")
    mend = PATCH_CLAIMS if _claims(visit) else PATCH_RETRIES
    shown = ", ".join(f"{key} {strategy[key]}" for key in ("retryPolicy", "limit") if key in strategy) or "nothing set"
    if strategy.get("retryPolicy") != "Always":
        yield warning(subject, f"pods that fail or are taken away are not started again ({shown})", mend)
    elif str(strategy.get("limit")) != "0":
        yield warning(subject, f"multiply with those of the recipe ({shown})", mend)
    else:
        yield ok(subject, "the workflow controller leaves them to the recipe (Always, limit 0)")


def claims(visit: Visit) -> Iterator[Finding]:
    """A new claim belongs to root; pods of a run are another user, and Kubeflow Pipelines gives them no fsGroup.

    Only a patch of pods can: its templates have a securityContext, which hides that of the workflow.
    """
    names = _claims(visit)
    if not names:
        return
    subject = "scratch on claims"
    spec = _default_spec(visit)
    if spec is None:
        raise UnknownError(f"namespace {KFP_NAMESPACE} has no config map {CONTROLLER}")
    patch = _loaded(spec.get("podSpecPatch") or "")
    group = _part(patch, "securityContext").get("fsGroup")
    if group is None:
        text = (
            f"pods of {few(names)} most often cannot write to it: the workflow controller's podSpecPatch has no fsGroup"
        )
        yield warning(subject, text, f"{PATCH_CLAIMS}, which changes all workflows of this Argo")
    else:
        yield ok(subject, f"belongs to group {group}, by the workflow controller's podSpecPatch")


def _claims(visit: Visit) -> list[str]:
    return [pod.name for pod in visit.pods if pod.config.scratch_class]


def _default_spec(visit: Visit) -> dict[str, Any] | None:
    """What Argo merges into every workflow's spec; None where its config map is missing.

    Argo reads its settings either as keys of the config map or as one document under ``config``.
    """
    found = visit.kube.get(f"/api/v1/namespaces/{KFP_NAMESPACE}/configmaps/{CONTROLLER}")
    if found is None:
        return None
    settings = {key: _loaded(text) for key, text in found.get("data", {}).items()}
    if isinstance(settings.get("config"), dict):
        settings |= settings["config"]
    return _part(settings, "workflowDefaults", "spec")


def _part(settings: Any, *keys: str) -> dict[str, Any]:
    node: Any = settings
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def _loaded(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None
