"""Transformer networks of MONAI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks import nets
from monai.networks.blocks.patchembedding import PatchEmbeddingBlock
from torch import nn
from torch.nn import functional

UNETR_PATCH = 16


def build_unetr(
    in_channels: int,
    classes: int,
    image_size: Sequence[int],
    feature_size: int,
    hidden_size: int,
    mlp_size: int,
    heads: int,
    dropout: float,
) -> nn.Module:
    """UNETR for any size.

    Args:
        image_size: for which position embeddings are learned; they are interpolated for other sizes.
        feature_size: filters of the decoder's finest level.
        hidden_size: length of the embedding of a patch of 16 x 16 x 16 voxels.
    """
    return AnySizeUNETR(
        in_channels=in_channels,
        out_channels=classes,
        img_size=image_size,
        feature_size=feature_size,
        hidden_size=hidden_size,
        mlp_dim=mlp_size,
        num_heads=heads,
        dropout_rate=dropout,
    )


def build_swinunetr(
    in_channels: int,
    classes: int,
    feature_size: int,
    depths: Sequence[int],
    heads: Sequence[int],
    window_size: int,
    dropout: float,
) -> nn.Module:
    """Swin UNETR.

    Args:
        feature_size: filters of the finest level.
        depths: blocks of each of the four stages.
        heads: of each stage's attention.
        window_size: voxels along each axis of the windows within which attention looks.
    """
    # MONAI reads its drop path rates from a tensor, which the device "meta" cannot give
    with torch.device("cpu"):
        network = nets.SwinUNETR(
            in_channels=in_channels,
            out_channels=classes,
            feature_size=feature_size,
            depths=depths,
            num_heads=heads,
            window_size=window_size,
            drop_rate=dropout,
        )
    return network.to(torch.get_default_device())


class AnySizeUNETR(nets.UNETR):
    """MONAI's UNETR without its fixed size; parameters keep MONAI's names."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.vit.patch_embedding = AnyGridEmbedding(
            grid=self.feat_size,
            in_channels=options["in_channels"],
            img_size=options["img_size"],
            patch_size=UNETR_PATCH,
            hidden_size=options["hidden_size"],
            num_heads=options["num_heads"],
            dropout_rate=options["dropout_rate"],
        )
        # cross-attention is not part of UNETR, and weights without a gradient stop distributed training
        for block in self.vit.blocks:
            block.norm_cross_attn = nn.Identity()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, *size) to logits (B, classes, *size), where every axis is a multiple of 16."""
        grid = [length // UNETR_PATCH for length in image.shape[2:]]
        self.proj_view_shape = [*grid, self.hidden_size]
        return super().forward(image)


class AnyGridEmbedding(PatchEmbeddingBlock):
    """Patch embeddings plus position embeddings, which are interpolated from their grid to that of the image.

    Interpolation between learned positions is how ViT itself is used at other sizes (arXiv:2010.11929, section 3.2).
    """

    def __init__(self, grid: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self._grid = tuple(grid)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, *size) to (B, patches, hidden size)."""
        patches = self.patch_embeddings(image)
        learned = self.position_embeddings.mT.unflatten(2, self._grid)
        positions = functional.interpolate(learned, size=patches.shape[2:], mode="trilinear", align_corners=False)
        return self.dropout((patches + positions).flatten(2).mT)
