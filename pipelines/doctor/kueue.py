"""Whether Kueue has the queue and the priority that the recipe names."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.doctor.finding import Finding, failed, ok
from pipelines.doctor.visit import Visit

GROUP = "/apis/kueue.x-k8s.io"


def queues(visit: Visit) -> Iterator[Finding]:
    names = sorted({unit.resources.queue for unit in visit.units if unit.resources.queue})
    classes = sorted({unit.resources.priority_class for unit in visit.units if unit.resources.priority_class})
    if not names:
        return
    group = visit.kube.get(GROUP)
    if group is None:
        yield failed(
            "Kueue",
            f"is not installed, but resources.queue = {', '.join(names)}",
            "install it (kueue.sigs.k8s.io), or leave resources.queue out",
        )
        return
    api = f"/apis/{group['preferredVersion']['groupVersion']}"
    for name in names:
        yield _queue(visit, api, name)
    for name in classes:
        yield _priority(visit, api, name)


def _queue(visit: Visit, api: str, name: str) -> Finding:
    subject = f"queue {name}"
    found = visit.kube.get(visit.path("localqueues", name, api))
    if found is None:
        known = [item["metadata"]["name"] for item in visit.kube.items(visit.path("localqueues", api=api))]
        choices = f"choices in namespace {visit.namespace}: {', '.join(known) or 'none'}"
        return failed(subject, f"there is no such LocalQueue; {choices}", "set resources.queue")
    behind = found.get("spec", {}).get("clusterQueue")
    active = next((c for c in found.get("status", {}).get("conditions", []) if c["type"] == "Active"), None)
    if active and active["status"] != "True":
        return failed(subject, f"is not active: {active.get('message', '')}", f"mend ClusterQueue {behind}")
    return ok(subject, f"feeds ClusterQueue {behind}")


def _priority(visit: Visit, api: str, name: str) -> Finding:
    subject = f"priority class {name}"
    found = visit.kube.get(f"{api}/workloadpriorityclasses/{name}")
    if found is None:
        known = [item["metadata"]["name"] for item in visit.kube.items(f"{api}/workloadpriorityclasses")]
        return failed(
            subject,
            f"Kueue has no such WorkloadPriorityClass; choices: {', '.join(known) or 'none'}",
            "set resources.priority_class",
        )
    return ok(subject, f"value {found.get('value')}")
