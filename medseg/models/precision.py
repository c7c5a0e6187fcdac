"""Half precision and memory layout: what makes a network fast on the device at hand."""

from __future__ import annotations

import torch
from torch import nn


def half_precision(device: torch.device) -> torch.dtype | None:
    """The 16-bit type to compute in: bfloat16 where the GPU has it (no loss scaling needed), else float16.

    None on CPUs: see Decisions in CONTRIBUTING.md.
    """
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def autocast(device: torch.device, enabled: bool = True) -> torch.autocast:
    """Mixed precision on devices that have it, a context without effect on others."""
    dtype = half_precision(device)
    return torch.autocast(device.type, dtype=dtype, enabled=enabled and dtype is not None)


def channels_last(network: nn.Module, dimensions: int) -> nn.Module:
    """Store convolution weights channels-last, which convolution libraries read fastest."""
    layout = torch.channels_last if dimensions == 2 else torch.channels_last_3d
    return network.to(memory_format=layout)
