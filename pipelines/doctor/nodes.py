"""Whether the nodes have what the pods ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from medseg.cluster_config import PodConfig
from pipelines.doctor.finding import Finding, failed, ok, warning
from pipelines.doctor.visit import Pod, Visit, few

GIB = 2**30
KEEPS_OUT = ("NoSchedule", "NoExecute")
AUTOSCALED = "nodes that are started on demand are not seen here"


@dataclass(frozen=True)
class Node:
    """What a node offers to pods, before those that run on it.

    Attributes:
        images: names of images that lie on it; the kubelet tells of the 50 largest.
    """

    name: str
    labels: dict[str, str]
    taints: list[dict[str, str]]
    offers: dict[str, float]
    images: frozenset[str]

    @classmethod
    def of(cls, manifest: dict[str, Any]) -> Node:
        spec, status = manifest.get("spec", {}), manifest.get("status", {})
        offers = {name: float(parse_quantity(value)) for name, value in status.get("allocatable", {}).items()}
        images = frozenset(name for image in status.get("images") or [] for name in image.get("names") or [])
        labels = manifest["metadata"].get("labels", {})
        return cls(manifest["metadata"]["name"], labels, spec.get("taints") or [], offers, images)

    def selected(self, asked: PodConfig) -> bool:
        return all(self.labels.get(key) == value for key, value in asked.node_selector.items())

    def taint_against(self, asked: PodConfig) -> str | None:
        """The first taint that the pod does not tolerate."""
        for taint in self.taints:
            if taint["effect"] in KEEPS_OUT and not any(_tolerates(taint, one) for one in asked.tolerations):
                return f"{taint['key']}:{taint['effect']}"
        return None

    def lacks(self, pod: Pod) -> str | None:
        """What it has too little of, even when empty."""
        wanted = {"cpu": pod.cpu, "memory": pod.memory, **pod.gpus}
        return next((name for name, amount in wanted.items() if self.offers.get(name, 0) < amount), None)


def usable(visit: Visit) -> list[Node]:
    """Nodes that are ready and take new pods."""
    return [Node.of(manifest) for manifest in visit.kube.items("/api/v1/nodes") if _takes_pods(manifest)]


def gpus(visit: Visit) -> Iterator[Finding]:
    """Every GPU resource that the models ask for, once."""
    nodes = usable(visit)
    by_resource: dict[str, list[Pod]] = {}
    for pod in visit.pods:
        for resource in pod.gpus:
            by_resource.setdefault(resource, []).append(pod)
    for resource, pods in by_resource.items():
        yield _gpu(resource, pods, nodes)
    if not by_resource:
        yield ok("GPUs", f"none asked for; the nodes offer {offered(nodes)}")


def _gpu(resource: str, pods: list[Pod], nodes: list[Node]) -> Finding:
    offering = [node for node in nodes if node.offers.get(resource)]
    if not offering:
        asks = f"asked for by {', '.join(pod.name for pod in pods)}"
        return failed(
            resource,
            f"no node offers it, {asks}; the nodes offer {offered(nodes)}",
            f"set resources.gpu_resource, or install the device plugin; {AUTOSCALED}",
        )
    total = sum(node.offers[resource] for node in offering)
    return ok(resource, f"{total:.0f} allocatable on {_count(len(offering), 'node')}")


def idle_gpus(visit: Visit) -> Iterator[Finding]:
    for pod in visit.pods:
        for resource, number in pod.gpus.items():
            if number > 1:
                text = f"asks for {number} {resource}, and training uses one of them"
                yield warning(f"GPUs of {pod.name}", text, "set resources.gpus = 1, unless nodes are given whole")


def room(visit: Visit) -> Iterator[Finding]:
    """Each pod on an empty node: queues empty, but a pod that is larger than every node waits for ever."""
    nodes = usable(visit)
    fitting: list[str] = []
    for pod in visit.pods:
        if not all(any(node.offers.get(gpu) for node in nodes) for gpu in pod.gpus):
            continue  # which `gpus` tells
        finding = _misfit(pod, nodes)
        if finding:
            yield finding
        else:
            fitting.append(pod.name)
    if fitting:
        yield ok("room", f"a node is large enough for a pod of {', '.join(fitting)}")


def _misfit(pod: Pod, nodes: list[Node]) -> Finding | None:
    subject = f"pod of {pod.name}"
    selected = [node for node in nodes if node.selected(pod.config)]
    if not selected:
        wanted = ", ".join(f"{key}={value}" for key, value in pod.config.node_selector.items())
        return failed(subject, f"no ready node has {wanted or 'room for pods'}", f"see node_selector; {AUTOSCALED}")
    large = [node for node in selected if not node.lacks(pod)]
    if not large:
        return failed(subject, f"asks for {_asked(pod)}; {_largest(pod, selected)}", f"ask for less; {AUTOSCALED}")
    against = {node.name: node.taint_against(pod.config) for node in large}
    if all(against.values()):
        taints = ", ".join(sorted({taint for taint in against.values() if taint}))
        text = f"every node that is large enough is tainted {taints}, which it does not tolerate"
        mend = "add resources.tolerations (cluster.data.tolerations for data)"
        if all(taint and taint.split(":")[0] in pod.gpus for taint in against.values()):
            return warning(subject, text, f"{mend}, unless the cluster adds them by itself as GKE does")
        return failed(subject, text, mend)
    return _small_disk(pod, [node for node in large if not against[node.name]])


def _small_disk(pod: Pod, nodes: list[Node]) -> Finding | None:
    disk = max(node.offers.get("ephemeral-storage", 0) for node in nodes)
    scratch = float(parse_quantity(pod.config.scratch))
    if pod.config.scratch_class or not disk or scratch <= disk:
        return None
    return warning(
        f"scratch of {pod.name}",
        f"may fill {scratch / GIB:.0f} GiB, but no node has more than {disk / GIB:.0f} GiB of disk for pods",
        "set scratch smaller, or scratch_class to a storage class",
    )


def shared_memory(visit: Visit) -> Iterator[Finding]:
    """Loader processes hand batches over in /dev/shm and die of a bus error where it is full."""
    small = [unit.model for unit in visit.units if unit.train.workers and not unit.resources.shared_memory]
    if small:
        yield warning(
            "shared memory",
            f"{few(small)}: train.workers is set, /dev/shm has the 64 MiB of the container runtime",
            "set resources.shared_memory, e.g. 8Gi",
        )
    elif visit.units:
        sizes = {unit.resources.shared_memory for unit in visit.units if unit.resources.shared_memory}
        yield ok("shared memory", f"/dev/shm of {', '.join(sorted(sizes))}" if sizes else "no loader processes need it")


def offered(nodes: list[Node]) -> str:
    """What the nodes have beside the usual, as ``nvidia.com/gpu (8)``."""
    names = sorted({name for node in nodes for name in node.offers if "/" in name and node.offers[name]})
    totals = [f"{name} ({sum(node.offers.get(name, 0) for node in nodes):.0f})" for name in names]
    return ", ".join(totals) or "no devices"


def _takes_pods(manifest: dict[str, Any]) -> bool:
    conditions = manifest.get("status", {}).get("conditions") or []
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and not manifest.get("spec", {}).get("unschedulable")


def _tolerates(taint: dict[str, str], one: Any) -> bool:
    same_value = one.value is None or one.value == taint.get("value", "")
    return one.key == taint["key"] and same_value and one.effect in (None, taint["effect"])


def _asked(pod: Pod) -> str:
    devices = "".join(f", {number} {name}" for name, number in pod.gpus.items())
    return f"{pod.cpu:g} CPUs, {pod.memory / GIB:.1f} GiB with /dev/shm{devices}"


def _largest(pod: Pod, nodes: list[Node]) -> str:
    """The node that comes nearest: of those with most devices the one with most memory."""
    best = max(nodes, key=lambda node: (*(node.offers.get(gpu, 0) for gpu in pod.gpus), node.offers.get("memory", 0)))
    devices = "".join(f", {best.offers.get(name, 0):.0f} {name}" for name in pod.gpus)
    return f"the largest node, {best.name}, has {best.offers['cpu']:g}, {best.offers['memory'] / GIB:.1f} GiB{devices}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
