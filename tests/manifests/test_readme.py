"""What manifests/README.md tells people to write and to type."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import yaml

from medseg import __version__
from medseg.config import recipe_from_yaml
from tests.manifests.conftest import MANIFESTS, ROOT, find, kustomize

TEXT = (MANIFESTS / "README.md").read_text()


def block(language: str, begins: str) -> str:
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", TEXT, re.S) if text.startswith(begins)]
    return str(found)


def test_the_folder_of_a_site_builds(tmp_path: Path) -> None:
    checkout = os.path.relpath(ROOT, tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(block("yaml", "apiVersion").replace("[medseg/", f"[{checkout}/"))
    objects = kustomize(tmp_path)
    assert find(objects, "PersistentVolumeClaim", "medseg-store")
    assert find(objects, "ConfigMap", "medseg-store")["data"]["MEDSEG_STORE"] == "s3://our-bucket"
    image = find(objects, "Deployment", "medseg-tensorboard")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"registry.example.org/medseg:{__version__}-cuda"
    assert {item["metadata"]["namespace"] for item in objects} == {"kubeflow"}


def test_a_recipe_for_production_is_read() -> None:
    recipe = recipe_from_yaml("name: n\ndataset: {name: d, source: s3://raw/d}\n" + block("yaml", "store:"), "README")
    assert recipe.cluster.store_secret is None
    assert recipe.cluster.namespace == "medseg"
    assert str(recipe.cluster.image).endswith(f":{__version__}-cuda")


def test_every_file_that_is_named_is_there() -> None:
    rows = re.findall(r"^\| `([\w/-]+)` \|", TEXT, re.M)
    assert len(rows) == 7
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
