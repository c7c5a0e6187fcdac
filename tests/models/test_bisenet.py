"""BiSeNet keeps the common promises, and has the auxiliary heads of its paper."""

from __future__ import annotations

import torch

from medseg.models import registry
from tests.models.base import ModelTests


class TestBiSeNet(ModelTests):
    name = "bisenet"
    millions = 13.15
    counted_at = (3, 19)  # without its auxiliary heads 12.89


def test_both_stages_of_the_context_path_have_heads_of_their_own() -> None:
    network = registry.build(registry.default_unit("bisenet"), 1, 2).network.train()
    heads = network(torch.randn(2, 1, 64, 64)).auxiliary
    assert [(weight, logits.shape) for weight, logits in heads] == [(1.0, (2, 2, 4, 4)), (1.0, (2, 2, 8, 8))]
