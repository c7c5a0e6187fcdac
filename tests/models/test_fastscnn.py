"""Fast-SCNN keeps the common promises, and has the auxiliary heads of its paper."""

from __future__ import annotations

import torch

from medseg.models import registry
from tests.models.base import ModelTests


class TestFastSCNN(ModelTests):
    name = "fastscnn"
    millions = 1.135


def test_shallow_and_deep_features_have_heads_of_their_own() -> None:
    network = registry.build(registry.default_unit("fastscnn"), 1, 2).network.train()
    heads = network(torch.randn(2, 1, 64, 64)).auxiliary
    assert [(weight, logits.shape) for weight, logits in heads] == [(0.4, (2, 2, 8, 8)), (0.4, (2, 2, 2, 2))]
