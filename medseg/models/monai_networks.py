"""Convolutional networks of MONAI."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks import nets
from monai.networks.nets.mednext import create_mednext
from monai.networks.nets.vnet import InputTransition
from torch import nn

from medseg.models.adapter import Supervised

VNET_FILTERS = 16


def build_unet(
    in_channels: int, classes: int, dims: int, channels: Sequence[int], residual_units: int, norm: str
) -> nn.Module:
    """U-Net with residual units; the size is halved between the levels that ``channels`` lists."""
    return nets.UNet(
        spatial_dims=dims,
        in_channels=in_channels,
        out_channels=classes,
        channels=channels,
        strides=[2] * (len(channels) - 1),
        num_res_units=residual_units,
        norm=norm,
    )


def build_attentionunet(
    in_channels: int, classes: int, dims: int, channels: Sequence[int], dropout: float
) -> nn.Module:
    """U-Net with attention gates on its skip connections; the size is halved between the levels of ``channels``."""
    return nets.AttentionUnet(
        spatial_dims=dims,
        in_channels=in_channels,
        out_channels=classes,
        channels=channels,
        strides=[2] * (len(channels) - 1),
        dropout=dropout,
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


def build_vnet(in_channels: int, classes: int, dropout: float) -> nn.Module:
    """V-Net with ELU and batch normalisation, where the paper has PReLU and none.

    Args:
        dropout: part of the channels that is dropped in the two lowest levels and on every skip connection.
    """
    network = nets.VNet(spatial_dims=3, in_channels=1, out_channels=classes)
    network.in_tr = _VNetInput(in_channels)
    # MONAI's own argument does not reach the two upper skip connections
    for part in network.modules():
        if isinstance(part, nn.Dropout3d):
            part.p = dropout
    return network


class _VNetInput(InputTransition):
    """V-Net's first stage, whose residual repeats the input's channels, also where their number does not divide 16."""

    repeated: torch.Tensor

    def __init__(self, in_channels: int) -> None:
        super().__init__(3, 1, VNET_FILTERS, "elu")
        self.conv_block.conv = nn.Conv3d(in_channels, VNET_FILTERS, kernel_size=5, padding=2, bias=False)
        self.register_buffer("repeated", torch.arange(VNET_FILTERS) % in_channels, persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, *size) to (B, 16, *size)."""
        return self.act_function(self.conv_block(image) + image[:, self.repeated])


def build_dynunet(
    in_channels: int, classes: int, filters: Sequence[int], residual: bool, deep_supervision: bool
) -> nn.Module:
    """nnU-Net's U-Net; the size is halved between the levels that ``filters`` lists.

    Args:
        residual: residual blocks in the encoder, as in nnU-Net's residual U-Net.
        deep_supervision: further heads at all levels of the decoder but the coarsest one, as nnU-Net weights them.
    """
    halvings = [2] * (len(filters) - 1)
    network = nets.DynUNet(
        spatial_dims=3,
        in_channels=in_channels,
        out_channels=classes,
        kernel_size=[3] * len(filters),
        strides=[1, *halvings],
        upsample_kernel_size=halvings,
        filters=filters,
        res_block=residual,
        deep_supervision=deep_supervision,
        deep_supr_num=max(1, len(filters) - 3),
    )
    return DeepSupervision(network) if deep_supervision else network


def build_mednext(in_channels: int, classes: int, variant: str, kernel_size: int, deep_supervision: bool) -> nn.Module:
    """MedNeXt.

    Args:
        variant: S, B, M or L of the paper.
        kernel_size: 3 or 5 in the paper.
        deep_supervision: further heads at all coarser levels.
    """
    network = create_mednext(variant, 3, in_channels, classes, kernel_size, deep_supervision)
    return DeepSupervision(network) if deep_supervision else network


class DeepSupervision(nn.Module):
    """Hands the further heads of a network of MONAI to the loss in training.

    A head weighs half as much as the next finer one (nnU-Net, arXiv:1904.08128). Weights are relative to the
    full-size head; nnU-Net divides all by their sum, which only scales the loss.

    Args:
        network: gives logits in evaluation; in training those of all heads, finest first, as a tuple of (B, classes,
            *size of the head) or as one tensor (B, heads, classes, *size).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor | Supervised:
        """(B, C, *size) to logits (B, classes, *size), in training with those of the further heads."""
        output = self.network(image)
        if not self.training:
            return output
        logits, *further = output.unbind(1) if isinstance(output, torch.Tensor) else output
        return Supervised(logits, tuple((0.5**level, head) for level, head in enumerate(further, start=1)))
