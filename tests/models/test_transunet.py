"""TransUNet keeps the common promises, and its transformer is timm's."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from medseg.errors import RecipeError
from medseg.models import registry
from tests.models.base import ModelTests

SMALL = {"width": 96, "depth": 2, "heads": 3, "decoder_channels": [64, 32, 16, 16]}


class TestTransUNet(ModelTests):
    name = "transunet"
    millions = 105.28
    counted_at = (3, 9)
    small = SMALL
    learns_at = (64, 64)


def test_at_the_size_of_its_position_embeddings_the_decoder_gets_what_timm_computes() -> None:
    network = registry.build(registry.default_unit("transunet", SMALL), 1, 2).network.eval()
    image = torch.randn(1, 1, 224, 224)
    received: list[torch.Tensor] = []
    network.bridge.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0]))
    with torch.no_grad():
        network(image)
        torch.testing.assert_close(received[0].flatten(2).mT, network.encoder.forward_features(image))


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (
            {"encoder": "vit_base_patch16_224"},
            "encoder must be one of vit_base_r50_s16_224, .*, not vit_base_patch16_224",
        ),
        ({"decoder_channels": [64, 32]}, r"decoder_channels must list 4 levels, got \[64, 32\]"),
        ({"heads": 5}, "heads must divide width, got 5 and 768"),
    ],
)
def test_settings_of_another_network_are_refused(setting: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        registry.build(registry.default_unit("transunet", setting), 1, 2)
