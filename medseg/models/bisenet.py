"""BiSeNet: a shallow path for detail beside a deep one for context (Yu et al. 2018, arXiv:1808.00897)."""

from __future__ import annotations

import torch
from segmentation_models_pytorch.encoders import get_encoder
from torch import nn
from torchvision.ops import Conv2dNormActivation

from medseg.models.adapter import Supervised

WIDTH = 128  # features of either path
HEAD = 64  # features of the head; the further ones have WIDTH


def build(in_channels: int, classes: int, encoder: str, auxiliary_weight: float) -> nn.Module:
    """BiSeNet with random weights.

    Args:
        encoder: of the context path, by the name of segmentation-models-pytorch.
        auxiliary_weight: of the loss of each of the two further heads.
    """
    return BiSeNet(in_channels, classes, encoder, auxiliary_weight)


class BiSeNet(nn.Module):
    """Spatial path and context path, joined at 1/8 of the input.

    What the paper leaves open (width of the heads, the convolutions after each enlargement, no bottleneck in the
    fusion) is as in the first author's code.
    """

    def __init__(self, in_channels: int, classes: int, encoder: str, auxiliary_weight: float) -> None:
        super().__init__()
        self.encoder = get_encoder(encoder, in_channels=in_channels, depth=5, weights=None)
        *_, middle, deep = self.encoder.out_channels
        self.spatial_path = nn.Sequential(
            Conv2dNormActivation(in_channels, 64, kernel_size=7, stride=2),
            Conv2dNormActivation(64, 64, stride=2),
            Conv2dNormActivation(64, 64, stride=2),
            Conv2dNormActivation(64, WIDTH, kernel_size=1),
        )
        self.global_context = nn.Sequential(nn.AdaptiveAvgPool2d(1), Conv2dNormActivation(deep, WIDTH, kernel_size=1))
        self.refine_deep = AttentionRefinement(deep)
        self.refine_middle = AttentionRefinement(middle)
        self.enlarge_deep = _enlarge()
        self.enlarge_middle = _enlarge()
        self.fusion = FeatureFusion()
        self.head = _head(2 * WIDTH, HEAD, classes)
        self.deep_head = _head(WIDTH, WIDTH, classes)
        self.middle_head = _head(WIDTH, WIDTH, classes)
        self.auxiliary_weight = auxiliary_weight

    def forward(self, image: torch.Tensor) -> torch.Tensor | Supervised:
        """(B, C, H, W) to logits (B, classes, H / 8, W / 8), in training with those of the further heads.

        H and W are multiples of 32.
        """
        detail = self.spatial_path(image)
        *_, middle, deep = self.encoder(image)
        coarse = self.enlarge_deep(self.refine_deep(deep) + self.global_context(deep))
        context = self.enlarge_middle(self.refine_middle(middle) + coarse)
        logits = self.head(self.fusion(detail, context))
        if not self.training:
            return logits
        weight = self.auxiliary_weight
        return Supervised(logits, ((weight, self.deep_head(coarse)), (weight, self.middle_head(context))))


class AttentionRefinement(nn.Module):
    """Weighs the features of an encoder's stage by their mean over the image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = Conv2dNormActivation(channels, WIDTH)
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            Conv2dNormActivation(WIDTH, WIDTH, kernel_size=1, activation_layer=nn.Sigmoid, inplace=None),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, channels, h, w) to (B, 128, h, w)."""
        features = self.convolution(features)
        return features * self.attention(features)


class FeatureFusion(nn.Module):
    """Joins both paths, and adds the result weighed by its mean over the image."""

    def __init__(self) -> None:
        super().__init__()
        both = 2 * WIDTH
        self.convolution = Conv2dNormActivation(both, both, kernel_size=1)
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(both, both, kernel_size=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(both, both, kernel_size=1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, detail: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Twice (B, 128, h, w) to (B, 256, h, w)."""
        features = self.convolution(torch.cat([detail, context], dim=1))
        return features + features * self.attention(features)


def _head(channels: int, width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(Conv2dNormActivation(channels, width), nn.Conv2d(width, classes, kernel_size=1))


def _enlarge() -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), Conv2dNormActivation(WIDTH, WIDTH))
