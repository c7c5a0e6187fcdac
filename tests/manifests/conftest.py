"""What `kubectl kustomize` makes of the manifests, built once for all tests."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "manifests"
STORE_ADDED = "overlays/gpu with components/object-store"
AUTHORITY_ADDED = "overlays/gpu with components/private-ca"
BUILDS = ("base", "overlays/kind", "overlays/gpu", "overlays/production", STORE_ADDED, AUTHORITY_ADDED)

Object = dict[str, Any]


@pytest.fixture(params=BUILDS)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    """All objects of one build after the other."""
    return build(request.param)


@functools.cache
def build(name: str) -> list[Object]:
    """The objects of an overlay, with the components after its name added as manifests/README.md says."""
    overlay, _, added = name.partition(" with ")
    if not added:
        return kustomize(MANIFESTS / overlay)
    components = [MANIFESTS / component for component in added.split(" and ")]
    with tempfile.TemporaryDirectory() as folder:
        return kustomize(including(Path(folder), resources=[MANIFESTS / overlay], components=components))


def including(folder: Path, **parts: list[Path]) -> Path:
    """Write a kustomization of folders and files; it may name them only from where it lies itself."""
    start = folder.resolve()
    paths = {key: [os.path.relpath(path.resolve(), start) for path in value] for key, value in parts.items()}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({"namespace": "kubeflow"} | paths))
    return folder


def kustomize(folder: Path) -> list[Object]:
    done = subprocess.run([kubectl(), "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def kubectl() -> str:
    found = shutil.which("kubectl")
    if not found:
        pytest.skip("kubectl is not here: https://kubernetes.io/docs/tasks/tools")
    return found


def find(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = [item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name]
    return found


def pod_templates(objects: list[Object]) -> list[Object]:
    return [item["spec"]["template"] for item in objects if item["kind"] in ("Deployment", "Job")]
