"""BEiT with the UPerNet head of its paper, built by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import BeitConfig, BeitForSemanticSegmentation

from medseg.models.adapter import Supervised

PATCH = 16
LEVELS = 4  # of the feature pyramid


class Beit(nn.Module):
    """BEiT for semantic segmentation (arXiv:2106.08254), with its auxiliary head.

    The library's own forward keeps the auxiliary logits to itself, and takes every feature map two blocks before the
    published one, so that the last two blocks are never used. Here both are as in the paper's code. The library
    interpolates the tables of relative positions to the size at hand.

    Args:
        feature_blocks: the four blocks, from 0, whose outputs make the feature pyramid.
        auxiliary_weight: of the auxiliary head's loss.
    """

    def __init__(self, config: BeitConfig, feature_blocks: Sequence[int], auxiliary_weight: float) -> None:
        super().__init__()
        library: Any = BeitForSemanticSegmentation(config)
        self.beit = library.beit
        self.fpn = library.fpn
        self.decode_head = library.decode_head
        self.auxiliary_head = library.auxiliary_head
        self._feature_blocks = feature_blocks
        self._auxiliary_weight = auxiliary_weight

    def forward(self, image: torch.Tensor) -> torch.Tensor | Supervised:
        """(B, C, H, W), both multiples of 32, to logits (B, classes, H / 4, W / 4), in training with auxiliary ones."""
        features = self.fpn(self._feature_maps(image))
        logits = self.decode_head(features)
        if not self.training:
            return logits
        return Supervised(logits, ((self._auxiliary_weight, self.auxiliary_head(features)),))

    def _feature_maps(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Tokens of the chosen blocks, without the class token, as maps (B, embedding, H / 16, W / 16)."""
        grid = [length // PATCH for length in image.shape[2:]]
        # the first of the hidden states comes before the first block
        _, *outputs = self.beit(image, output_hidden_states=True).hidden_states
        return tuple(outputs[block][:, 1:].transpose(1, 2).unflatten(2, grid) for block in self._feature_blocks)


def build(
    in_channels: int,
    classes: int,
    image_size: int,
    embedding: int,
    blocks: int,
    heads: int,
    feature_blocks: Sequence[int],
    drop_path: float,
    auxiliary_weight: float,
) -> nn.Module:
    """BEiT with random weights.

    Args:
        image_size: pixels for which relative positions have a weight of their own.
        embedding: length of a token, and channels of the UPerNet head.

    Raises:
        ValueError: the feature pyramid cannot be made of these blocks.
    """
    if len(feature_blocks) != LEVELS or not all(0 <= block < blocks for block in feature_blocks):
        raise ValueError(f"feature_blocks must be {LEVELS} of 0 to {blocks - 1}, got {list(feature_blocks)}")
    config = BeitConfig.from_dict(
        {
            "num_channels": in_channels,
            "num_labels": classes,
            "image_size": image_size,
            "patch_size": PATCH,
            "hidden_size": embedding,
            "num_hidden_layers": blocks,
            "num_attention_heads": heads,
            "intermediate_size": 4 * embedding,
            "out_indices": [block + 1 for block in feature_blocks],
            "drop_path_rate": drop_path,
            "use_relative_position_bias": True,
        }
    )
    return Beit(config, feature_blocks, auxiliary_weight)
