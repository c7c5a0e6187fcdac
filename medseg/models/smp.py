"""2D networks of segmentation-models-pytorch."""

from __future__ import annotations

from typing import Any

from torch import nn


def build(in_channels: int, classes: int, architecture: str, encoder: str, **options: Any) -> nn.Module:
    """One of the library's architectures around one of its encoders, with random weights.

    Args:
        architecture: the library's name, e.g. ``Unet``.
        encoder: the library's name, e.g. ``resnet34``.
        options: passed on to the library.
    """
    import segmentation_models_pytorch as smp

    return smp.create_model(
        architecture, encoder_name=encoder, encoder_weights=None, in_channels=in_channels, classes=classes, **options
    )
