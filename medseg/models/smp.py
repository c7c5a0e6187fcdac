"""2D networks of segmentation-models-pytorch."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

# options that are given by us, or that would make the output something else than logits
NO_OPTIONS = {"in_channels", "classes", "encoder_name", "encoder_weights", "activation", "aux_params", "kwargs"}


def build(in_channels: int, classes: int, architecture: str, encoder: str, **options: Any) -> nn.Module:
    """One of the library's architectures around one of its encoders, with random weights.

    Parameters that the library counts but never uses are there, so that its checkpoints fit, and frozen.

    Args:
        architecture: the library's name, e.g. ``Unet``.
        encoder: the library's name, e.g. ``resnet34``, or ``tu-`` and a name of timm.
        options: passed on to the library.

    Raises:
        TypeError: neither architecture nor encoder has an option of that name.
    """
    import segmentation_models_pytorch as smp

    device, from_timm = torch.get_default_device(), encoder.startswith("tu-")
    # the library's own encoders read tensors while they are built, and meta tensors have no values
    with device if from_timm else torch.device("cpu"):
        network = smp.create_model(
            architecture,
            encoder_name=encoder,
            encoder_weights=None,
            in_channels=in_channels,
            classes=classes,
            **options,
        )
    if not from_timm:  # timm refuses what it does not know
        _refuse_unknown(options, {*inspect.signature(network.__init__).parameters, "output_stride"} - NO_OPTIONS)
    return _freeze_unused(network.to(device), in_channels)


def _refuse_unknown(options: Iterable[str], known: Iterable[str]) -> None:
    """The library's own encoders pass over unknown options in silence."""
    if unknown := sorted(set(options) - set(known)):
        raise TypeError(f"unknown {', '.join(unknown)}; choices: {', '.join(sorted(known))}")


@torch.enable_grad()
def _freeze_unused(network: nn.Module, in_channels: int) -> nn.Module:
    """No gradient for parameters that the output does not depend on.

    Encoders are whole classifiers: their classes, and the stages below the deepest one in use, never run.
    """
    parameters = list(network.parameters())
    logits = network.eval()(torch.zeros(1, in_channels, 64, 64))
    gradients = torch.autograd.grad(logits.sum(), parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.requires_grad_(gradient is not None)
    return network.train()
