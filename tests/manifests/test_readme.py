"""What manifests/README.md tells people to write and to type."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import yaml

from medseg import __version__
from medseg.config import recipe_from_yaml
from tests.manifests.conftest import MANIFESTS, ROOT, find, kustomize, pod_templates

TEXT = (MANIFESTS / "README.md").read_text()


def block(language: str, begins: str) -> str:
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", TEXT, re.S) if text.startswith(begins)]
    return str(found)


def test_the_folder_of_a_site_builds(tmp_path: Path) -> None:
    checkout = os.path.relpath(ROOT, tmp_path.resolve())
    text = block("yaml", "apiVersion").replace("medseg/manifests", f"{checkout}/manifests")
    (tmp_path / "kustomization.yaml").write_text(text)
    objects = kustomize(tmp_path)
    assert find(objects, "PersistentVolumeClaim", "medseg-store")
    assert find(objects, "ConfigMap", "medseg-store")["data"]["MEDSEG_STORE"] == "s3://our-bucket"
    image = find(objects, "Deployment", "medseg-tensorboard")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"registry.example.org/medseg:{__version__}-cuda"
    assert {item["metadata"]["namespace"] for item in objects} == {"kubeflow"}
    login = [{"name": "our-registry"}]
    account = find(objects, "ServiceAccount", "medseg-runner")
    assert account["imagePullSecrets"] == login
    for pod in (template["spec"] for template in pod_templates(objects)):
        assert pod["containers"][0]["image"].startswith("registry.example.org/")
        assert pod.get("serviceAccountName") == "medseg-runner" or pod["imagePullSecrets"] == login
    assert "medseg-ca" in yaml.safe_dump(find(objects, "Job", "medseg-bucket"))


def test_the_way_out_of_production_can_be_narrowed(tmp_path: Path) -> None:
    overlay = os.path.relpath(MANIFESTS / "overlays/production", tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(f"resources: [{overlay}]\n" + block("yaml", "patches:"))
    found = yaml.safe_dump(find(kustomize(tmp_path), "NetworkPolicy", "medseg-external-store"))
    assert "0.0.0.0/0" not in found
    assert "10.20.0.0/16" in found


def test_the_store_that_is_carried_in_is_that_of_the_component() -> None:
    (tag,) = re.findall("`chrislusf/seaweedfs:(.*?)`", TEXT)
    assert f"image: chrislusf/seaweedfs:{tag}\n" in (MANIFESTS / "components/object-store/store.yaml").read_text()


def test_a_recipe_for_production_is_read() -> None:
    recipe = recipe_from_yaml("name: n\ndataset: {name: d, source: s3://raw/d}\n" + block("yaml", "store:"), "README")
    assert recipe.cluster.store_secret is None
    assert recipe.cluster.namespace == "medseg"
    assert str(recipe.cluster.image).endswith(f":{__version__}-cuda")


def test_every_file_that_is_named_is_there() -> None:
    rows = re.findall(r"^\| `([\w/-]+)` \|", TEXT, re.M)
    assert len(rows) == 8
    assert all((MANIFESTS / row).is_dir() for row in rows)
    named = re.findall(r"manifests/[\w/.-]+[\w]", block("bash", "kubectl -n kubeflow patch"))
    assert len(named) == 3
    assert all((ROOT / name).exists() for name in named)


def test_fake_gpus_are_a_number_of_the_node_that_kind_makes() -> None:
    command = block("bash", "kubectl --context kind-medseg patch node")
    (patch,) = re.findall("'(.*)'", command)
    assert json.loads(patch) == {"status": {"capacity": {"nvidia.com/gpu": "4"}}}
    cluster = yaml.safe_load((MANIFESTS / "kind/cluster.yaml").read_text())
    assert f"patch node {cluster['name']}-{cluster['nodes'][0]['role']} " in command
