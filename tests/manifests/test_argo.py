"""The change to the Argo that Kubeflow Pipelines ships, in both ways that manifests/README.md gives."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pipelines.pods import USER
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


RETRIES = {"templateDefaults": {"retryStrategy": {"retryPolicy": "Always", "limit": 0}}}
GROUP = {
    "podSpecPatch": yaml.safe_dump({"securityContext": {"fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch"}})
}


def by_kustomize(folder: Path, change: str) -> Object:
    (found,) = kustomize(including(folder, resources=[folder / "argo.yaml"], components=[MANIFESTS / change]))
    return found


def by_kubectl_patch(folder: Path, change: str) -> Object:
    patch = MANIFESTS / change / "workflow-controller-patch.yaml"
    command = [kubectl(), "patch", "--local", "-f", str(folder / "argo.yaml"), "--type", "merge"]
    command += ["--patch-file", str(patch), "-o", "yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(yaml.safe_load(done.stdout))


@pytest.mark.parametrize(("change", "spec"), [("kfp", RETRIES), ("kfp/scratch-claims", RETRIES | GROUP)])
@pytest.mark.parametrize("way", [by_kustomize, by_kubectl_patch])
def test_the_defaults_change_and_nothing_else(
    way: Callable[[Path, str], Object], change: str, spec: Object, tmp_path: Path
) -> None:
    (tmp_path / "argo.yaml").write_text(SHIPPED)
    found = way(tmp_path, change)
    defaults = yaml.safe_load(found["data"].pop("workflowDefaults"))
    assert defaults == {"spec": spec}
    shipped = yaml.safe_load(SHIPPED)
    del shipped["data"]["workflowDefaults"]
    assert found == shipped
