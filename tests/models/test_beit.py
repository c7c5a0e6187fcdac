"""BEiT keeps the common promises, and its feature maps are the published ones."""

from __future__ import annotations

import torch
from transformers import BeitConfig, BeitForSemanticSegmentation

from medseg.models.beit import Beit
from tests.models.base import ModelTests


class TestBeit(ModelTests):
    name = "beit"
    millions = 162.1
    small = {"image_size": 96, "embedding": 96, "blocks": 4, "heads": 3, "feature_blocks": [0, 1, 2, 3], "drop_path": 0}

    def test_pictures_need_not_be_square(self) -> None:
        assert self.network().eval()(torch.zeros(1, 1, 48, 100)).shape == (1, 2, 48, 100)


def test_the_library_counts_two_blocks_later_and_is_the_same_otherwise() -> None:
    settings = {"image_size": 64, "hidden_size": 48, "num_hidden_layers": 5, "num_attention_heads": 3}
    config = BeitConfig(**settings, use_relative_position_bias=True, out_indices=[2, 3, 4, 5])
    library, ours = BeitForSemanticSegmentation(config).eval(), Beit(config, [0, 1, 2, 3], 0.4).eval()
    for weight in library.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    ours.load_state_dict(library.state_dict())
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), library(image).logits)
