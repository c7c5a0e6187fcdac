"""The rules of Pod Security `restricted` (Kubernetes 1.36), written out, on every pod of the manifests."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipelines.pods import SCRATCH, USER
from tests.manifests.conftest import Object, build, pod_templates

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def violations(spec: Object) -> Iterator[str]:
    """What `restricted`, which holds all of `baseline`, would refuse of a pod's spec."""
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield key
    pod = spec.get("securityContext", {})
    for key in ("sysctls", "windowsOptions", "seLinuxOptions", "appArmorProfile"):
        if pod.get(key):
            yield key
    for volume in spec.get("volumes", []):
        if not volume.keys() - {"name"} <= VOLUMES:
            yield f"volume {volume['name']}"
    for container in (*spec["containers"], *spec.get("initContainers", []), *spec.get("ephemeralContainers", [])):
        yield from _of_container(container, pod)


def _of_container(container: Object, pod: Object) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = pod | own
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if "ALL" not in own.get("capabilities", {}).get("drop", []):
        yield "capabilities.drop"
    if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities.add"
    if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
        yield "runAsNonRoot"
    if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"
    if any("host" in (container.get(probe) or {}).get("httpGet", {}) for probe in ("livenessProbe", "startupProbe")):
        yield "probe host"


def test_every_pod_is_restricted(objects: list[Object]) -> None:
    pods = pod_templates(objects)
    assert len(pods) >= 2
    assert [list(violations(pod["spec"])) for pod in pods] == [[]] * len(pods)


Change = Callable[[Any, Any], Any]
BREACHES: dict[str, Change] = {
    "hostNetwork": lambda spec, main: spec.update(hostNetwork=True),
    "volume host": lambda spec, main: spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    "privileged": lambda spec, main: main["securityContext"].update(privileged=True),
    "allowPrivilegeEscalation": lambda spec, main: main["securityContext"].pop("allowPrivilegeEscalation"),
    "capabilities.drop": lambda spec, main: main["securityContext"].pop("capabilities"),
    "capabilities.add": lambda spec, main: main["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
    "runAsNonRoot": lambda spec, main: spec["securityContext"].pop("runAsNonRoot"),
    "seccompProfile": lambda spec, main: main["securityContext"].update(seccompProfile={"type": "Unconfined"}),
    "hostPort": lambda spec, main: main.update(ports=[{"containerPort": 1, "hostPort": 1}]),
}


@pytest.mark.parametrize("rule", BREACHES)
def test_a_breach_would_be_found(rule: str) -> None:
    spec = copy.deepcopy(pod_templates(build("base"))[0]["spec"])
    BREACHES[rule](spec, spec["containers"][0])
    assert list(violations(spec)) == [rule]


def test_pods_are_the_images_user_and_write_to_scratch_alone(objects: list[Object]) -> None:
    for pod in pod_templates(objects):
        spec = pod["spec"]
        context = spec["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (USER, USER, USER)
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert SCRATCH in [mount["mountPath"] for mount in container["volumeMounts"]]
            for kind in ("requests", "limits"):
                assert container["resources"][kind].keys() == {"cpu", "memory", "ephemeral-storage"}
