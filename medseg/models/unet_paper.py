"""U-Net as published."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Unet(nn.Module):
    """U-Net (Ronneberger et al. 2015, arXiv:1505.04597): 64 to 1024 channels, skips by concatenation.

    Different from the paper, as has become usual: convolutions are padded, so that logits have the size of the input;
    they are followed by batch normalisation; and a feature map is enlarged by repeating its values and a
    3 x 3 convolution instead of a 2 x 2 one (31.0 M parameters otherwise). There is no dropout at the lowest level.

    Args:
        channels: of the levels from the largest to the smallest feature map; the size is halved between them.
    """

    def __init__(self, in_channels: int, classes: int, channels: Sequence[int]) -> None:
        super().__init__()
        wide, narrow = channels[1:][::-1], channels[:-1][::-1]
        self.down = nn.ModuleList(map(_two_convolutions, [in_channels, *channels[:-1]], channels))
        self.halve = nn.MaxPool2d(2)
        self.enlarge = nn.ModuleList(map(_enlarged, wide, narrow))
        self.up = nn.ModuleList(map(_two_convolutions, wide, narrow))
        self.head = nn.Conv2d(channels[0], classes, kernel_size=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to logits (B, classes, H, W); H and W are multiples of 2 to the number of halvings."""
        features = self.down[0](image)
        skips = []
        for down in self.down[1:]:
            skips.append(features)
            features = down(self.halve(features))
        for enlarge, up in zip(self.enlarge, self.up, strict=True):
            features = up(torch.cat([skips.pop(), enlarge(features)], dim=1))
        return self.head(features)


def _convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    # batch normalisation takes the place of the bias
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.ReLU())


def _two_convolutions(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(_convolution(in_channels, out_channels), _convolution(out_channels, out_channels))


def _enlarged(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2), _convolution(in_channels, out_channels))
