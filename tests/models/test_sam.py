"""SAM keeps the common promises, and without prompts it is the library's network."""

from __future__ import annotations

import torch
from transformers import SamConfig, SamModel

from medseg.models.sam import Sam
from tests.models.base import ModelTests


class TestSam(ModelTests):
    name = "sam"
    millions = 90.34
    counted_at = (1, 3)  # the three masks of the published decoder
    small = {"image_size": 96, "embedding": 96, "layers": 4, "heads": 3, "global_layers": [1, 3], "window": 7}

    def test_pictures_need_not_be_square(self) -> None:
        assert self.network().eval()(torch.zeros(1, 1, 48, 100)).shape == (1, 2, 48, 100)


def test_at_the_configured_size_it_gives_the_masks_of_the_library() -> None:
    vision = {"image_size": 64, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3}
    config = SamConfig(vision_config=vision, prompt_encoder_config={"image_size": 64})
    library, ours = SamModel(config).eval(), Sam(config).eval()
    for weight in library.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    ours.load_state_dict({name: library.state_dict()[name] for name in ours.state_dict()})
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), library(image, multimask_output=True).pred_masks[:, 0])
