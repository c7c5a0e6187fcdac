"""Fast-SCNN: a small network with one skip connection for large images (Poudel et al. 2019, arXiv:1902.04502)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torchvision.ops import Conv2dNormActivation

from medseg.models.adapter import Supervised

SHALLOW = 64  # features at 1/8 of the input
DEEP = 128  # features at 1/32, and after fusion
EXPANSION = 6
BINS = (1, 2, 3, 6)


class FastSCNN(nn.Module):
    """Shallow features at 1/8 of the input, deep ones at 1/32, their sum at 1/8.

    In training, both kinds of features have a head of their own ("auxiliary losses", section 4.1). The paper does not
    say what these heads are; here, as the smallest that can be, a convolution of one pixel.

    Args:
        dropout: before the last convolution.
        auxiliary_weight: of the loss of each of the two further heads.
    """

    def __init__(self, in_channels: int, classes: int, dropout: float, auxiliary_weight: float) -> None:
        super().__init__()
        self.learning_to_downsample = nn.Sequential(
            Conv2dNormActivation(in_channels, 32, stride=2),
            _separable(32, 48, stride=2),
            _separable(48, SHALLOW, stride=2),
        )
        self.global_features = nn.Sequential(
            *_bottlenecks(SHALLOW, 64, stride=2),
            *_bottlenecks(64, 96, stride=2),
            *_bottlenecks(96, DEEP, stride=1),
            PyramidPooling(DEEP),
        )
        self.fusion = FeatureFusion(SHALLOW, DEEP)
        self.classifier = nn.Sequential(
            _separable(DEEP, DEEP), _separable(DEEP, DEEP), nn.Dropout(dropout), nn.Conv2d(DEEP, classes, kernel_size=1)
        )
        self.shallow_head = nn.Conv2d(SHALLOW, classes, kernel_size=1)
        self.deep_head = nn.Conv2d(DEEP, classes, kernel_size=1)
        self.auxiliary_weight = auxiliary_weight

    def forward(self, image: torch.Tensor) -> torch.Tensor | Supervised:
        """(B, C, H, W) to logits (B, classes, H / 8, W / 8), in training with those of the further heads.

        H and W are multiples of 32.
        """
        shallow = self.learning_to_downsample(image)
        deep = self.global_features(shallow)
        logits = self.classifier(self.fusion(shallow, deep))
        if not self.training:
            return logits
        weight = self.auxiliary_weight
        return Supervised(logits, ((weight, self.shallow_head(shallow)), (weight, self.deep_head(deep))))


class Bottleneck(nn.Module):
    """Inverted residual of MobileNetV2 with ReLU, which the paper prefers to ReLU6 (table 2)."""

    def __init__(self, channels: int, new_channels: int, stride: int) -> None:
        super().__init__()
        wide = channels * EXPANSION
        self.residual = stride == 1 and channels == new_channels
        self.layers = nn.Sequential(
            Conv2dNormActivation(channels, wide, kernel_size=1),
            Conv2dNormActivation(wide, wide, stride=stride, groups=wide),
            Conv2dNormActivation(wide, new_channels, kernel_size=1, activation_layer=None),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, channels, h, w) to (B, new channels, h / stride, w / stride)."""
        return features + self.layers(features) if self.residual else self.layers(features)


class PyramidPooling(nn.Module):
    """Adds means over ever smaller regions to the features, as PSPNet does (arXiv:1612.01105)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        part = channels // len(BINS)
        self.levels = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), Conv2dNormActivation(channels, part, kernel_size=1))
            for bins in BINS
        )
        self.join = Conv2dNormActivation(2 * channels, channels, kernel_size=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, channels, h, w) to the same shape."""
        size = features.shape[2:]
        means = [functional.interpolate(level(features), size, mode="bilinear") for level in self.levels]
        return self.join(torch.cat([features, *means], dim=1))


class FeatureFusion(nn.Module):
    """Sum of shallow and enlarged deep features (table 3)."""

    def __init__(self, shallow: int, deep: int) -> None:
        super().__init__()
        self.deep = nn.Sequential(
            nn.Upsample(scale_factor=4, mode="bilinear"),
            Conv2dNormActivation(deep, deep, groups=deep, dilation=4),
            Conv2dNormActivation(deep, deep, kernel_size=1, activation_layer=None),
        )
        self.shallow = Conv2dNormActivation(shallow, deep, kernel_size=1, activation_layer=None)

    def forward(self, shallow: torch.Tensor, deep: torch.Tensor) -> torch.Tensor:
        """(B, shallow, 4h, 4w) and (B, deep, h, w) to (B, deep, 4h, 4w)."""
        return functional.relu(self.shallow(shallow) + self.deep(deep))


def _separable(channels: int, new_channels: int, stride: int = 1) -> nn.Sequential:
    """Depthwise and pointwise convolution; there is no non-linearity between them (section 3.2.1)."""
    return nn.Sequential(
        Conv2dNormActivation(channels, channels, stride=stride, groups=channels, activation_layer=None),
        Conv2dNormActivation(channels, new_channels, kernel_size=1),
    )


def _bottlenecks(channels: int, new_channels: int, stride: int) -> list[Bottleneck]:
    first = Bottleneck(channels, new_channels, stride)
    return [first, *(Bottleneck(new_channels, new_channels, stride=1) for _ in range(2))]
