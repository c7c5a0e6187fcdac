"""A pod that was given GPUs trains on one, or says why it cannot."""

from __future__ import annotations

import pytest
import torch

from medseg.errors import StageError
from medseg.training.device import require_gpu

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")


def test_a_pod_with_a_gpu_that_torch_does_not_see_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    require_gpu(0)
    with pytest.raises(StageError, match="resources.gpus = 2.*cluster.image must be one with CUDA"):
        require_gpu(2)


def test_outside_a_cluster_the_same_recipe_trains_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    require_gpu(2)
