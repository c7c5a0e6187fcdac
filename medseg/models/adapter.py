"""One network behind the promises that all models keep: any size in, logits of that size out, and a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import nn
from torch.nn import functional

Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Supervised(NamedTuple):
    """What a network with further heads may return in training instead of its logits.

    Attributes:
        auxiliary: weight and logits (B, classes, *any size) of every further head.
    """

    logits: torch.Tensor
    auxiliary: tuple[tuple[float, torch.Tensor], ...]


@runtime_checkable
class OwnLoss(Protocol):
    """A network that is not trained on a class map, such as a detector."""

    def own_loss(self, image: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Scalar loss from images (B, C, *size) and class values (B, 1, *size)."""
        ...


class Segmenter(nn.Module):
    """A network for any spatial size.

    The input is padded to multiples of ``multiple`` by repeating its edge, split between both ends; logits that come
    smaller are interpolated linearly to that size, and the padding is cropped away.

    Args:
        network: (B, C, *size) to logits (B, classes, *same or smaller size), in training also ``Supervised``.
        encoder: prefixes of the names of the network's parameters that make its encoder.
    """

    def __init__(self, network: nn.Module, multiple: int = 1, encoder: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.network = network
        self._multiple = multiple
        self._encoder = encoder

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, *size) to logits (B, classes, *size)."""
        return self._heads(image)[0][1]

    def loss(self, image: torch.Tensor, reference: torch.Tensor, criterion: Criterion) -> torch.Tensor:
        """What training minimises: the criterion of the logits, plus that of every further head by its weight.

        Args:
            image: (B, C, *size).
            reference: (B, 1, *size) class values.
            criterion: takes float32 logits (B, classes, *size) and the reference.
        """
        if isinstance(self.network, OwnLoss):
            return self.network.own_loss(image, reference)
        # Dice sums overflow in half precision
        losses = [weight * criterion(logits.float(), reference) for weight, logits in self._heads(image)]
        return torch.stack(losses).sum()

    def encoder_parameters(self) -> list[nn.Parameter]:
        """The weights of the encoder; none where the network has no part of that name."""
        return [weight for name, weight in self.network.named_parameters() if self._in_encoder(name)]

    def encoder_modules(self) -> list[nn.Module]:
        """The parts that make the encoder."""
        return [part for name, part in self.network.named_modules() if name in self._encoder]

    def _in_encoder(self, name: str) -> bool:
        return any(name == prefix or name.startswith(f"{prefix}.") for prefix in self._encoder)

    def _heads(self, image: torch.Tensor) -> list[tuple[float, torch.Tensor]]:
        """Weight and full-size logits of the main head and then of all others."""
        size = image.shape[2:]
        margins = [_halves(-length % self._multiple) for length in size]
        flat = [side for margin in reversed(margins) for side in margin]
        padded = functional.pad(image, flat, mode="replicate") if any(flat) else image
        output = self.network(padded)
        heads = [(1.0, output)] if isinstance(output, torch.Tensor) else [(1.0, output.logits), *output.auxiliary]
        inside = (slice(None), slice(None), *(slice(m[0], m[0] + n) for m, n in zip(margins, size, strict=True)))
        return [(weight, _enlarge(logits, padded.shape[2:])[inside]) for weight, logits in heads]


def _halves(gap: int) -> tuple[int, int]:
    return gap // 2, gap - gap // 2


def _enlarge(logits: torch.Tensor, size: torch.Size) -> torch.Tensor:
    if logits.shape[2:] == size:
        return logits
    mode = "bilinear" if len(size) == 2 else "trilinear"
    return functional.interpolate(logits, size=size, mode=mode, align_corners=False)
