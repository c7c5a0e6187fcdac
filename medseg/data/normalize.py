"""Scaling intensities so that a network sees every case in one range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import Modality, Normalization

LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.5


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
    channels = zip(image, parameters, strict=True)
    return np.stack([_normalize_channel(channel.astype(np.float32), step) for channel, step in channels])


def _normalize_channel(channel: NDArray[np.float32], step: Normalization) -> NDArray[np.float32]:
    if step.method == "ct":
        return (np.clip(channel, step.low, step.high) - step.mean) / max(step.std, 1e-8)
    if step.method == "zscore":
        return (channel - channel.mean()) / max(float(channel.std()), 1e-8)
    low, high = np.percentile(channel, (LOW_PERCENTILE, HIGH_PERCENTILE))
    return (np.clip(channel, low, high) - np.float32(low)) / np.float32(max(high - low, 1e-8))
