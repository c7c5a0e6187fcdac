"""Scores of a whole image from a network that sees one window at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import torch
from monai.inferers import sliding_window_inference
from torch import nn

from medseg.models.precision import autocast

WINDOWS_PER_BATCH = 4


def window_scores(
    network: nn.Module, image: torch.Tensor, window: tuple[int, ...], overlap: float, mirror: bool
) -> torch.Tensor:
    """Softmax scores by Gaussian-weighted overlapping windows.

    Args:
        network: (B, C, *window) to logits (B, classes, *window).
        image: (B, C, *size); a size below the window is padded and cropped back.
        mirror: average over all combinations of flips.

    Returns:
        (B, classes, *size), summing to 1 over classes.
    """
    flips = list(_flips(image.ndim - 2)) if mirror else [()]
    total: torch.Tensor | None = None
    for axes in flips:
        scores = _one_pass(network, image.flip(axes) if axes else image, window, overlap)
        scores = scores.flip(axes) if axes else scores
        total = scores if total is None else total + scores
    assert total is not None
    return total / len(flips)


def _flips(dimensions: int) -> Iterator[tuple[int, ...]]:
    axes = range(2, 2 + dimensions)
    for count in range(dimensions + 1):
        yield from combinations(axes, count)


def _one_pass(network: nn.Module, image: torch.Tensor, window: tuple[int, ...], overlap: float) -> torch.Tensor:
    def predict(batch: torch.Tensor) -> torch.Tensor:
        with autocast(batch.device):
            return network(batch).float()  # windows are summed in full precision

    logits: Any = sliding_window_inference(
        image, window, WINDOWS_PER_BATCH, predict, overlap=overlap, mode="gaussian", padding_mode="replicate"
    )
    return torch.softmax(logits, dim=1)
