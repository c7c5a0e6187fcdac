"""Whether the namespace's quotas and limits leave room for the pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from pipelines.doctor.finding import Finding, failed, ok, warning
from pipelines.doctor.visit import Pod, Visit

ASK = "ask for less, or the platform team for more"


def quotas(visit: Visit) -> Iterator[Finding]:
    found = visit.kube.items(visit.path("resourcequotas"))
    applying = [quota for quota in found if not quota.get("spec", {}).get("scopes")]  # e.g. for pods without end alone
    for quota in applying:
        yield _quota(quota, visit.pods)
    if not applying:
        yield ok("quota", f"none in namespace {visit.namespace}")


def _quota(quota: dict[str, Any], pods: list[Pod]) -> Finding:
    """A pod above the quota is never made; one above what is left waits for the others to end."""
    subject = f"quota {quota['metadata']['name']}"
    hard = _amounts(quota.get("status", {}).get("hard") or quota["spec"].get("hard", {}))
    used = _amounts(quota.get("status", {}).get("used", {}))
    waiting: list[str] = []
    for pod in pods:
        for key, wanted in _wanted(pod).items():
            if wanted > hard.get(key, wanted):
                return failed(subject, f"{key} ends at {hard[key]:g}, a pod of {pod.name} asks for {wanted:g}", ASK)
            if wanted > hard.get(key, wanted) - used.get(key, 0):
                waiting.append(f"{pod.name} ({key}: {hard[key] - used.get(key, 0):g} left of {hard[key]:g})")
    if waiting:
        return warning(subject, f"has no room just now for {', '.join(waiting)}", f"wait for what runs, or {ASK}")
    return ok(subject, "leaves room for each pod")


def limits(visit: Visit) -> Iterator[Finding]:
    """A pod above the largest size of a LimitRange is refused."""
    for limit_range in visit.kube.items(visit.path("limitranges")):
        name = limit_range["metadata"]["name"]
        largest = _amounts(
            {key: value for one in limit_range["spec"]["limits"] for key, value in one.get("max", {}).items()}
        )
        for pod in visit.pods:
            wanted = {"cpu": pod.cpu, "memory": pod.memory}
            for key in [key for key in wanted if wanted[key] > largest.get(key, wanted[key])]:
                text = f"allows {largest[key]:g} {key}, a pod of {pod.name} asks for {wanted[key]:g}"
                yield failed(f"limit range {name}", text, ASK)


def _wanted(pod: Pod) -> dict[str, float]:
    wanted: dict[str, float] = {"pods": 1}
    for kind in ("requests.", "limits.", ""):
        wanted |= {f"{kind}cpu": pod.cpu, f"{kind}memory": pod.memory}
    return wanted | {f"requests.{name}": number for name, number in pod.gpus.items()}


def _amounts(quantities: dict[str, str]) -> dict[str, float]:
    return {key: float(parse_quantity(value)) for key, value in quantities.items()}
