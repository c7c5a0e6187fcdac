"""Any spatial size for networks that halve it a fixed number of times."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class PadToDivisor(nn.Module):
    """Pads the input to multiples of ``divisor`` by repeating its edge, and crops the logits back.

    A size that already fits passes unchanged. Padding is split between both ends.
    """

    def __init__(self, network: nn.Module, divisor: int) -> None:
        super().__init__()
        self.network = network
        self.divisor = divisor

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, *size) to (B, classes, *size)."""
        size = image.shape[2:]
        missing = [-length % self.divisor for length in size]
        if not any(missing):
            return self.network(image)
        margins = [(gap // 2, gap - gap // 2) for gap in missing]
        flat = [side for margin in reversed(margins) for side in margin]
        logits = self.network(functional.pad(image, flat, mode="replicate"))
        inside = [slice(before, before + length) for (before, _), length in zip(margins, size, strict=True)]
        return logits[(slice(None), slice(None), *inside)]
