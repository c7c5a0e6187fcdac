"""TransUNet: a ResNet-50, a vision transformer on its features, and a U-Net decoder (Chen 2021, arXiv:2102.04306)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import timm
import torch
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn import functional
from torchvision.ops import Conv2dNormActivation

ENCODERS = ("vit_base_r50_s16_224", "vit_base_r50_s16_384")
WIDEST = 512  # features that enter the decoder


def build(
    in_channels: int,
    classes: int,
    encoder: str,
    width: int,
    depth: int,
    heads: int,
    dropout: float,
    decoder_channels: Sequence[int],
) -> nn.Module:
    """TransUNet with random weights.

    Args:
        encoder: timm's name of the hybrid of ResNet-50 and ViT-B/16; the size in it is the one whose position
            embeddings are learned (a grid of 1/16) and interpolated for all others.
        width: features of the transformer.
        depth: layers of the transformer.
        heads: attention heads, which divide the width.
        dropout: after the position embeddings and the linear layers of the transformer.
        decoder_channels: features at 1/8, 1/4, 1/2 and the full size.

    Raises:
        ValueError: the encoder is another one, the decoder does not have four levels, or the heads do not divide the
            width.
    """
    if encoder not in ENCODERS:
        raise ValueError(f"encoder must be one of {', '.join(ENCODERS)}, not {encoder}")
    if len(decoder_channels) != 4:
        raise ValueError(f"decoder_channels must list 4 levels, got {list(decoder_channels)}")
    if width % heads:
        raise ValueError(f"heads must divide width, got {heads} and {width}")
    hybrid = timm.create_model(
        encoder,
        in_chans=in_channels,
        num_classes=0,
        global_pool="",
        class_token=False,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        pos_drop_rate=dropout,
        proj_drop_rate=dropout,
    )
    return TransUNet(cast(VisionTransformer, hybrid), classes, decoder_channels)


class TransUNet(nn.Module):
    """The decoder around a hybrid of timm.

    Args:
        encoder: vision transformer without class token, on a ResNet with features at 1/2, 1/4, 1/8 and 1/16.
    """

    def __init__(self, encoder: VisionTransformer, classes: int, decoder_channels: Sequence[int]) -> None:
        super().__init__()
        self.encoder = encoder
        skips = [info["num_chs"] for info in reversed(encoder.patch_embed.backbone.feature_info[:3])]
        self.bridge = _convolution(encoder.embed_dim, WIDEST)
        channels = (WIDEST, *decoder_channels[:-1])
        self.decoder = nn.ModuleList(map(UpBlock, channels, (*skips, 0), decoder_channels))
        self.head = nn.Conv2d(decoder_channels[-1], classes, kernel_size=3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to logits (B, classes, H, W); H and W are multiples of 16."""
        deepest, skips = self.encoder.patch_embed.backbone.forward_intermediates(image, [0, 1, 2])
        features = self.bridge(self._attend(deepest))
        for block, skip in zip(self.decoder, (*reversed(skips), None), strict=True):
            features = block(features, skip)
        return self.head(features)

    def _attend(self, features: torch.Tensor) -> torch.Tensor:
        """The transformer: (B, 1024, h, w) to (B, width, h, w)."""
        embedding = self.encoder.patch_embed
        size = features.shape[2:]
        positions = resample_abs_pos_embed(
            self.encoder.pos_embed, list(size), list(embedding.grid_size), num_prefix_tokens=0
        )
        tokens = self.encoder.pos_drop(embedding.proj(features).flatten(2).mT + positions)
        tokens = self.encoder.norm(self.encoder.blocks(tokens))
        return tokens.mT.unflatten(2, size)


class UpBlock(nn.Module):
    """Doubles the size, joins the encoder's features of that size where there are any, and convolves twice."""

    def __init__(self, channels: int, skip_channels: int, new_channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            _convolution(channels + skip_channels, new_channels), _convolution(new_channels, new_channels)
        )

    def forward(self, features: torch.Tensor, skip: torch.Tensor | None) -> torch.Tensor:
        """(B, channels, h, w) and (B, skip channels, 2h, 2w) to (B, new channels, 2h, 2w)."""
        larger = functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)
        return self.convolutions(larger if skip is None else torch.cat([larger, skip], dim=1))


def _convolution(channels: int, new_channels: int) -> nn.Module:
    return Conv2dNormActivation(channels, new_channels, kernel_size=3)
