"""Scores of a whole image from a network that sees one window at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import torch
from monai.inferers import sliding_window_inference
from torch import nn

from medseg.models.precision import autocast

WINDOWS_PER_BATCH = 4


def window_scores(
    network: nn.Module,
    image: torch.Tensor,
    window: tuple[int, ...],
    overlap: float,
    mirror_axes: Sequence[int] = (),
    amp: bool = True,
) -> torch.Tensor:
    """Softmax scores by Gaussian-weighted overlapping windows.

    Scores are averaged, not logits: where one window cuts an object off and misses it, a detector's logit of almost no
    chance would outweigh any certainty of the other window.

    Args:
        network: (B, C, *window) to logits (B, classes, *window).
        image: (B, C, *size); a size below the window is padded and cropped back.
        mirror_axes: average over all combinations of flips along these axes, counted without batch and channels.
        amp: mixed precision on GPUs, as in training.

    Returns:
        (B, classes, *size), summing to 1 over classes.
    """
    flips = list(_combinations([2 + axis for axis in mirror_axes]))
    total: torch.Tensor | None = None
    for axes in flips:
        scores = _one_pass(network, image.flip(axes) if axes else image, window, overlap, amp)
        scores = scores.flip(axes) if axes else scores
        total = scores if total is None else total + scores
    assert total is not None
    return total / len(flips)


def _combinations(axes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for count in range(len(axes) + 1):
        yield from combinations(axes, count)


def _one_pass(
    network: nn.Module, image: torch.Tensor, window: tuple[int, ...], overlap: float, amp: bool
) -> torch.Tensor:
    def predict(batch: torch.Tensor) -> torch.Tensor:
        with autocast(batch.device, amp):
            logits = network(batch)
        return torch.softmax(logits.float(), dim=1)  # windows are summed in full precision

    scores: Any = sliding_window_inference(
        image, window, WINDOWS_PER_BATCH, predict, overlap=overlap, mode="gaussian", padding_mode="replicate"
    )
    return scores
