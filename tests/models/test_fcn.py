"""torchvision's FCN keeps the common promises, with and without its auxiliary head."""

from __future__ import annotations

import pytest
import torch
from torchvision.models.segmentation import fcn_resnet50

from medseg.models import fcn, registry
from tests.models.base import ModelTests


class TestFcn(ModelTests):
    name = "fcn"
    millions = 32.95
    counted_at = (3, 2)
    learns_at = (64, 64)


def test_with_its_auxiliary_head_it_has_the_parameters_of_the_weights_that_torchvision_offers() -> None:
    with torch.device("meta"):
        network = fcn.build(3, 21, auxiliary_weight=0.5)
    assert sum(weight.numel() for weight in network.parameters()) / 1e6 == pytest.approx(35.32, rel=0.005)


@pytest.mark.parametrize(("weight", "loss"), [(0.5, 1.5), (0.0, 1.0)])
def test_a_loss_of_one_per_head_adds_up_by_their_weights(weight: float, loss: float) -> None:
    network = registry.build(registry.default_unit("fcn", {"auxiliary_weight": weight}), 1, 2)
    image = torch.zeros(2, 1, 16, 16)
    assert network.loss(image, image, lambda logits, reference: logits.new_tensor(1.0)).item() == loss


def test_its_parameters_have_the_names_of_torchvision() -> None:
    with torch.device("meta"):
        ours = fcn.build(3, 21, auxiliary_weight=0.5).state_dict()
        theirs = fcn_resnet50(weights=None, weights_backbone=None, aux_loss=True).state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in theirs.items()}
