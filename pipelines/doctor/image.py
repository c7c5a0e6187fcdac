"""Whether the nodes can get the image that all steps run in."""

from __future__ import annotations

from collections.abc import Iterator

from components.base import IMAGE
from pipelines.doctor.finding import Finding, UnknownError, failed, ok, warning
from pipelines.doctor.nodes import Node, usable
from pipelines.doctor.registry import has_manifest
from pipelines.doctor.visit import Visit
from pipelines.pods import image as image_of

LOAD = "build it with `make images`, then `kind load docker-image` it or push it and set cluster.image"


def image(visit: Visit) -> Iterator[Finding]:
    name = image_of(visit.recipe) if visit.recipe else IMAGE
    policy = visit.cluster.image_pull_policy
    subject = f"image {name}"
    if policy == "Always" and not has_registry(name):
        yield failed(subject, "names no registry, but cluster.image_pull_policy = Always asks one", LOAD)
    elif policy == "Never" or not has_registry(name):
        yield _loaded(subject, name, usable(visit))
    elif policy == "IfNotPresent" and (there := _on_all(name, visit)):
        yield ok(subject, there)
    else:
        yield _pullable(subject, name, visit)


def _loaded(subject: str, name: str, nodes: list[Node]) -> Finding:
    """The kubelet tells of the 50 largest images, which ours is among, unless it is told to tell of none."""
    holding = [node for node in nodes if full_name(name) in node.images]
    there = f"is on {len(holding)} of {len(nodes)} nodes"
    if nodes and len(holding) == len(nodes):
        return ok(subject, there)
    text = f"{there}; its name has no registry, so it is only where it was loaded"
    if not holding and any(node.images for node in nodes):
        return failed(subject, text, LOAD)
    return warning(subject, text, LOAD)


def _on_all(name: str, visit: Visit) -> str:
    try:
        nodes = usable(visit)
    except UnknownError:
        return ""  # the registry may know
    everywhere = nodes and all(full_name(name) in node.images for node in nodes)
    return f"is on {len(nodes)} of {len(nodes)} nodes" if everywhere else ""


def _pullable(subject: str, name: str, visit: Visit) -> Finding:
    secrets = ", ".join(visit.cluster.image_pull_secrets)
    try:
        found = has_manifest(full_name(name))
    except PermissionError as error:
        if secrets:
            return ok(subject, f"{error}; pods log in with {secrets}, which only they can tell")
        return warning(subject, f"{error}", "name a secret in cluster.image_pull_secrets")
    except OSError as error:
        raise UnknownError(f"{error}; only nodes can tell") from error
    if found:
        return ok(subject, "the registry has it")
    return failed(subject, "the registry does not have it", "push it, or set cluster.image")


def has_registry(name: str) -> bool:
    """Whether a name says where it is to be had; ``medseg:1`` would be Docker Hub's, which has no such image."""
    return "/" in name


def full_name(name: str) -> str:
    """As container runtimes write it: registry, path, and tag or digest."""
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in last else f"{name}:latest"
