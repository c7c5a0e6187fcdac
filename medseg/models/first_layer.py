"""Other numbers of channels for torchvision's ResNets, which take three."""

from __future__ import annotations

from torch import nn


def first_convolution(in_channels: int) -> nn.Conv2d:
    """A ResNet's first layer with random weights, drawn as torchvision draws them: 64 features at half the size."""
    convolution = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution
