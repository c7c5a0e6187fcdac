"""Networks of MONAI."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks import nets
from torch import nn


def build_unet(in_channels: int, classes: int, channels: Sequence[int], residual_units: int, norm: str) -> nn.Module:
    """3D U-Net with residual units; the size is halved between the levels that ``channels`` lists."""
    return nets.UNet(
        spatial_dims=3,
        in_channels=in_channels,
        out_channels=classes,
        channels=channels,
        strides=[2] * (len(channels) - 1),
        num_res_units=residual_units,
        norm=norm,
    )


def build_segresnet(in_channels: int, classes: int, initial_filters: int, dropout: float) -> nn.Module:
    """SegResNet without its variational branch; group normalisation suits the small batches of volumes."""
    return nets.SegResNet(
        spatial_dims=3,
        in_channels=in_channels,
        out_channels=classes,
        init_filters=initial_filters,
        dropout_prob=dropout,
    )
