"""Whether a model's probabilities are what they say: of the voxels at 80%, are 80% foreground?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import CalibrationBin

EDGES = (0.0, 0.01, *(tenth / 10 for tenth in range(1, 10)), 0.99, 1.0)  # narrow where most voxels are
BINS = len(EDGES) - 1
# in the type of the probabilities: 0.7 as float32 is less than 0.7 as float64 and would miss its bin
_INNER_EDGES = np.array(EDGES[1:-1], np.float32)


@dataclass(frozen=True)
class Calibration:
    """Voxels by the foreground probability that they were given; those of several cases add up.

    Attributes:
        voxels: (BINS,) int64, how many have a probability from one edge to below the next; the last bin has 1 too.
        probability: (BINS,) float64, sum of their probabilities.
        foreground: (BINS,) int64, how many of them are foreground in the reference.
    """

    voxels: NDArray[np.int64]
    probability: NDArray[np.float64]
    foreground: NDArray[np.int64]

    def __add__(self, other: Calibration) -> Calibration:
        return Calibration(
            self.voxels + other.voxels, self.probability + other.probability, self.foreground + other.foreground
        )

    def bins(self) -> list[CalibrationBin]:
        """Means of every bin, lowest first."""
        return [
            CalibrationBin(
                low=EDGES[index],
                high=EDGES[index + 1],
                voxels=voxels,
                probability=float(self.probability[index]) / voxels if voxels else None,
                foreground=int(self.foreground[index]) / voxels if voxels else None,
            )
            for index, voxels in enumerate(self.voxels.tolist())
        ]


def calibration(probability: NDArray[np.float32], reference: NDArray[Any]) -> Calibration:
    """Sort the voxels of one case into bins.

    Args:
        probability: of foreground, in [0, 1], 2 or 3 axes.
        reference: class values of the same shape; everything but 0 is foreground.

    Raises:
        ValueError: the shapes differ.
    """
    if probability.shape != reference.shape:
        raise ValueError(
            f"probability and reference must have one shape, got {probability.shape} and {reference.shape}"
        )
    slabs = zip(probability, reference, strict=True)  # temporary values would take five times a large scan
    return sum((_of_slab(given, expected != 0) for given, expected in slabs), _nothing())


def expected_calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Mean distance of probability and truth over the voxels of all bins but the first; Naeini 2015.

    The first bin holds the background that nobody doubts. It is most of any scan and always right, so that with it the
    error would tell how much air there is around the patient.

    Returns:
        0 is perfect, 1 worst; NaN where no voxel is in these bins.
    """
    counted = [
        (one.voxels, abs(one.probability - one.foreground))
        for one in bins[1:]
        if one.probability is not None and one.foreground is not None
    ]
    voxels = sum(count for count, _ in counted)
    return sum(count * distance for count, distance in counted) / voxels if voxels else math.nan


def _nothing() -> Calibration:
    return Calibration(np.zeros(BINS, np.int64), np.zeros(BINS), np.zeros(BINS, np.int64))


def _of_slab(probability: NDArray[np.float32], is_foreground: NDArray[np.bool_]) -> Calibration:
    """The first bin, which holds almost all voxels, is what the others leave: a fifth of the time."""
    doubted = probability >= _INNER_EDGES[0]
    given = probability[doubted]
    index = np.searchsorted(_INNER_EDGES, given, side="right")
    voxels = np.bincount(index, minlength=BINS)
    sums = np.bincount(index, given, minlength=BINS).astype(np.float64)
    foreground = np.bincount(index[is_foreground[doubted]], minlength=BINS)
    voxels[0] = probability.size - given.size
    sums[0] = probability[~doubted].sum(dtype=np.float64)
    foreground[0] = np.count_nonzero(is_foreground) - foreground.sum()
    return Calibration(voxels, sums, foreground)
