"""Whom each pod may speak to, worked out from the policies the way a cluster does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from medseg.config import recipe_from_yaml
from pipelines.package import compile_package
from tests.manifests.conftest import AUTHORITY_ADDED, STORE_ADDED, Object, build, find

Labels = dict[str, str]
PIPELINES = {"app": "ml-pipeline"}
METADATA = {"component": "metadata-grpc-server"}
SEAWEEDFS = {"app": "seaweedfs"}
DNS = {"k8s-app": "kube-dns"}


def selects(selector: Object, labels: Labels) -> bool:
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "DoesNotExist", "teach this test the operator"
        if rule["key"] in labels:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def rules(objects: list[Object], labels: Labels, direction: str) -> list[Object]:
    """All that the policies for a pod with these labels let through."""
    mine = [
        item["spec"]
        for item in objects
        if item["kind"] == "NetworkPolicy" and selects(item["spec"]["podSelector"], labels)
    ]
    assert any(direction.title() in spec["policyTypes"] for spec in mine), f"without a policy all {direction} is open"
    return [rule for spec in mine for rule in spec.get(direction, [])]


def may_reach(objects: list[Object], labels: Labels, target: Labels, namespace: str, port: int) -> bool:
    for rule in rules(objects, labels, "egress"):
        for peer in rule["to"]:
            there = selects(peer.get("namespaceSelector", {}), {"kubernetes.io/metadata.name": namespace})
            if "podSelector" in peer and there and selects(peer["podSelector"], target):
                return port in [entry["port"] for entry in rule["ports"]]
    return False


def addresses(objects: list[Object], labels: Labels) -> set[tuple[str, int]]:
    """Ranges and ports outside the network of pods."""
    return {
        (peer["ipBlock"]["cidr"], entry["port"])
        for rule in rules(objects, labels, "egress")
        for peer in rule["to"]
        if "ipBlock" in peer
        for entry in rule["ports"]
    }


@pytest.fixture(scope="module")
def run_labels(tmp_path_factory: pytest.TempPathFactory) -> list[Labels]:
    """What the pods of a compiled recipe carry."""
    path: Path = tmp_path_factory.mktemp("package") / "package.yaml"
    raw = {"name": "n", "store": "s3://medseg", "dataset": {"name": "d", "source": "s3://medseg/d"}, "models": ["unet"]}
    compile_package(recipe_from_yaml(yaml.safe_dump(raw), "test"), path)
    platform: Any = list(yaml.safe_load_all(path.read_text()))[1]
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return [pod["podMetadata"]["labels"] for pod in executors.values()]


def test_pods_of_runs_reach_pipelines_store_and_kubernetes(objects: list[Object], run_labels: list[Labels]) -> None:
    assert len(run_labels) >= 5
    for labels in run_labels:
        assert may_reach(objects, labels, DNS, "kube-system", 53)
        assert may_reach(objects, labels, PIPELINES, "kubeflow", 8887)
        assert may_reach(objects, labels, PIPELINES, "kubeflow", 8888)
        assert may_reach(objects, labels, METADATA, "kubeflow", 8080)
        assert may_reach(objects, labels, SEAWEEDFS, "kubeflow", 8333), "a policy counts the port of the pod, not 9000"
        assert {("172.16.0.0/12", 6443), ("10.0.0.0/8", 443)} <= addresses(objects, labels)


def test_pods_of_runs_reach_nothing_else(objects: list[Object], run_labels: list[Labels]) -> None:
    for labels in run_labels:
        assert not may_reach(objects, labels, {"app": "mysql"}, "kubeflow", 3306)
        assert not may_reach(objects, labels, SEAWEEDFS, "default", 8333)
        assert not may_reach(objects, labels, SEAWEEDFS, "kubeflow", 9333)
        assert rules(objects, labels, "ingress") == []


def test_only_production_has_a_way_to_the_internet(run_labels: list[Labels]) -> None:
    for name in ("base", "overlays/kind", "overlays/gpu", STORE_ADDED, AUTHORITY_ADDED):
        assert "0.0.0.0/0" not in {cidr for cidr, _ in addresses(build(name), run_labels[0])}
    assert ("0.0.0.0/0", 443) in addresses(build("overlays/production"), run_labels[0])
    assert ("0.0.0.0/0", 6443) not in addresses(build("overlays/production"), run_labels[0])


def test_production_reaches_the_node_for_keys_and_no_metadata_of_it(run_labels: list[Labels]) -> None:
    found = addresses(build("overlays/production"), run_labels[0])
    assert {cidr for cidr, port in found if port == 80} == {"169.254.170.23/32"}


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "medseg-tensorboard"), ("Job", "medseg-bucket")])
def test_our_own_pods_reach_the_store_and_not_kubernetes(objects: list[Object], kind: str, name: str) -> None:
    labels = find(objects, kind, name)["spec"]["template"]["metadata"]["labels"]
    assert may_reach(objects, labels, DNS, "kube-system", 53)
    assert may_reach(objects, labels, SEAWEEDFS, "kubeflow", 8333)
    assert not may_reach(objects, labels, PIPELINES, "kubeflow", 8888)
    assert 6443 not in {port for _, port in addresses(objects, labels)}


def test_tensorboard_is_open_to_its_namespace_at_one_port(objects: list[Object]) -> None:
    template = find(objects, "Deployment", "medseg-tensorboard")["spec"]["template"]
    (rule,) = rules(objects, template["metadata"]["labels"], "ingress")
    assert rule == {"from": [{"podSelector": {}}], "ports": [{"port": 6006}]}
    assert template["spec"]["containers"][0]["ports"] == [{"name": "http", "containerPort": 6006}]


def test_the_added_store_is_open_to_the_benchmark_alone(run_labels: list[Labels]) -> None:
    objects = build(STORE_ADDED)
    store = find(objects, "Deployment", "medseg-store")["spec"]["template"]["metadata"]["labels"]
    assert may_reach(objects, run_labels[0], store, "kubeflow", 8333)
    (rule,) = rules(objects, store, "ingress")
    (peer,) = rule["from"]
    assert selects(peer["podSelector"], run_labels[0])
    assert not selects(peer["podSelector"], SEAWEEDFS)


def test_services_find_their_pods(objects: list[Object]) -> None:
    services = [item for item in objects if item["kind"] == "Service"]
    assert services
    for service in services:
        template = find(objects, "Deployment", service["metadata"]["name"])["spec"]["template"]
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        named = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named
