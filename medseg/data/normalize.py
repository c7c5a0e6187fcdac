"""Scaling intensities so that a network sees every case in one range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import Modality, Normalization

LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.5
SMALLEST_SCALE = 1e-8  # a constant channel is divided by this


def method_for(modality: Modality) -> str:
    """CT by training statistics, MR by z-score of the case, everything else by percentiles of the case."""
    return {"ct": "ct", "mr": "zscore"}.get(modality, "percentile")


def normalize(image: NDArray, parameters: Sequence[Normalization]) -> NDArray[np.float32]:
    """Scale every channel by its own parameters.

    Args:
        image: (C, I, J, K), C equal to the number of ``parameters``.

    Returns:
        float32; a constant channel becomes 0.
    """
    if len(image) != len(parameters):
        raise ValueError(f"image has {len(image)} channels, the plan {len(parameters)}")
    result = np.array(image, np.float32, order="C")
    for channel, step in zip(result, parameters, strict=True):
        _normalize_channel(channel, step)
    return result


def _normalize_channel(channel: NDArray[np.float32], step: Normalization) -> None:
    """In place: volumes are large."""
    if step.method == "zscore":
        mean, std = channel.mean(dtype=np.float64), channel.std(dtype=np.float64)
        _scale(channel, float(mean), float(std))
        return
    low, high = (step.low, step.high) if step.method == "ct" else _percentiles(channel)
    np.clip(channel, low, high, out=channel)
    if step.method == "ct":
        _scale(channel, step.mean, step.std)
    else:
        _scale(channel, low, high - low)


def _scale(channel: NDArray[np.float32], offset: float, scale: float) -> None:
    channel -= np.float32(offset)
    channel /= np.float32(max(scale, SMALLEST_SCALE))


def _percentiles(channel: NDArray[np.float32]) -> tuple[float, float]:
    low, high = np.percentile(channel, (LOW_PERCENTILE, HIGH_PERCENTILE))
    return float(low), float(high)
