"""The change to the Argo that Kubeflow Pipelines ships, in both ways that manifests/README.md gives."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.manifests.conftest import MANIFESTS, Object, including, kubectl, kustomize

SHIPPED = """
apiVersion: v1
kind: ConfigMap
metadata: {name: workflow-controller-configmap, namespace: kubeflow}
data:
  artifactRepository: "archiveLogs: true"
  executor: "imagePullPolicy: IfNotPresent"
  workflowDefaults: |
    spec:
      templateDefaults:
        retryStrategy: {limit: "2", retryPolicy: OnError}
"""


def by_kustomize(folder: Path) -> Object:
    (found,) = kustomize(including(folder, resources=[folder / "argo.yaml"], components=[MANIFESTS / "kfp"]))
    return found


def by_kubectl_patch(folder: Path) -> Object:
    patch = MANIFESTS / "kfp/workflow-controller-patch.yaml"
    command = [kubectl(), "patch", "--local", "-f", str(folder / "argo.yaml"), "--type", "merge"]
    command += ["--patch-file", str(patch), "-o", "yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(yaml.safe_load(done.stdout))


@pytest.mark.parametrize("way", [by_kustomize, by_kubectl_patch])
def test_retries_change_and_nothing_else(way: Callable[[Path], Object], tmp_path: Path) -> None:
    (tmp_path / "argo.yaml").write_text(SHIPPED)
    found = way(tmp_path)
    defaults = yaml.safe_load(found["data"].pop("workflowDefaults"))
    assert defaults == {"spec": {"templateDefaults": {"retryStrategy": {"retryPolicy": "Always", "limit": 0}}}}
    shipped = yaml.safe_load(SHIPPED)
    del shipped["data"]["workflowDefaults"]
    assert found == shipped
