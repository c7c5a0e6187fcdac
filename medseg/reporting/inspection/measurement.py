"""What is measured on the voxels of one case."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.reporting.inspection.findings import PERCENTILES
from medseg.reporting.inspection.likeness import small_picture

SAMPLED_VOXELS = 100_000  # per case and channel: the error of a percentile's rank is then about 0.2%


@dataclass(frozen=True)
class Measurement:
    """One case.

    Attributes:
        digest: sha256 of size, type and values of all voxels.
        small_picture: of the channels' mean for pictures, of the first channel for volumes; None without detail.
        everywhere, marked: (channels, 5) percentiles; ``marked`` is NaN where the reference marks nothing.
        class_voxels: class value to number of voxels, for the values that occur.
        fault: why the case could not be measured; the rest is empty then.
    """

    case: str
    digest: str = ""
    small_picture: NDArray[np.float32] | None = None
    everywhere: NDArray[np.float64] | None = None
    marked: NDArray[np.float64] | None = None
    class_voxels: dict[int, int] | None = None
    fault: str = ""


def measure(case: str, channels: Sequence[NDArray], reference: NDArray[np.uint8] | None, flat: bool) -> Measurement:
    """Measure a case.

    Args:
        channels: (I, J, K) each.
        reference: (I, J, K) class values, 0 is background; None where the data set has none.
        flat: the data set holds pictures, K is 1.
    """
    shown = np.mean(channels, axis=0) if flat and len(channels) > 1 else channels[0]
    places = _drawn(channels[0].size, case)
    marked = places[:0]
    if reference is not None:
        there = np.flatnonzero(reference)
        marked = there[_drawn(len(there), case)]
    return Measurement(
        case,
        _digest(channels),
        small_picture(shown, flat),
        np.stack([_percentiles(channel, places) for channel in channels]),
        np.stack([_percentiles(channel, marked) for channel in channels]),
        None if reference is None else _class_voxels(reference),
    )


def _digest(channels: Sequence[NDArray]) -> str:
    total = hashlib.sha256()
    for channel in channels:
        total.update(f"{channel.shape} {channel.dtype.str}\0".encode())
        total.update(np.ascontiguousarray(channel).data)
    return total.hexdigest()


def _drawn(voxels: int, case: str) -> NDArray[np.int64]:
    """All numbers below ``voxels``, or as many as are sampled, the same ones each time."""
    if voxels <= SAMPLED_VOXELS:
        return np.arange(voxels)
    seed = int.from_bytes(hashlib.sha256(case.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).integers(0, voxels, SAMPLED_VOXELS)


def _percentiles(channel: NDArray, places: NDArray[np.int64]) -> NDArray[np.float64]:
    if not len(places):
        return np.full(len(PERCENTILES), np.nan)
    values = channel[np.unravel_index(places, channel.shape)]
    return np.percentile(values.astype(np.float64), PERCENTILES)


def _class_voxels(reference: NDArray[np.uint8]) -> dict[int, int]:
    planes = np.moveaxis(reference, 2, 0)
    counts = np.sum([np.bincount(plane.ravel(order="K"), minlength=256) for plane in planes], axis=0)
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts) if value}
