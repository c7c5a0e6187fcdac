"""NSD by surfels: how much of the surfaces' area, not of their voxels, lies within a tolerance; Nikolov 2018."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from medseg.metrics.masks import ClassMasks
from medseg.metrics.surface import FLOAT32_SLACK, nearest_mm


def surfel_nsd(masks: ClassMasks, tolerance_mm: float) -> float:
    """Part of the area of both surfaces (2D: of the length of both contours) within the tolerance of the other.

    As DeepMind's surface-distance: a surface element stands at every corner where eight (2D: four) voxels meet that are
    not all alike, distances are from corner to corner, and its area follows from which of the voxels belong to the
    mask, by marching cubes. NaN where both masks are empty, 0 where one of them is.
    """
    if masks.empty:
        return math.nan if masks.empty == 2 else 0.0
    areas, weights = _areas(masks.spacing_mm)
    predicted, expected = (_neighbour_codes(mask, weights) for mask in (masks.prediction, masks.reference))
    sides = [(codes, (codes != 0) & (codes != areas.size - 1)) for codes in (predicted, expected)]
    limit_mm = tolerance_mm * (1 + FLOAT32_SLACK)
    within = total = 0.0
    for (codes, surface), (_, other) in (sides, sides[::-1]):
        elements = areas[codes[surface]]
        within += elements[nearest_mm(surface, other, masks.spacing_mm) <= limit_mm].sum()
        total += elements.sum()
    return float(within / total)


def _areas(spacing_mm: tuple[float, ...]) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """MONAI's tables: the area of a surface element by its neighbour code, and what each neighbour adds to the code."""
    from monai.metrics.utils import get_code_to_measure_table  # torch takes seconds to import

    areas, weights = get_code_to_measure_table(spacing_mm)
    return areas.double().numpy(), weights[0, 0].numpy().astype(np.uint8)


def _neighbour_codes(mask: NDArray[np.bool_], weights: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Which of the voxels around a corner are in the mask, for every corner: one more per axis than voxels."""
    padded = np.pad(mask, 1).view(np.uint8)
    codes = np.zeros([length + 1 for length in mask.shape], np.uint8)
    for place, weight in np.ndenumerate(weights):
        codes += weight * padded[tuple(slice(i, i + length) for i, length in zip(place, codes.shape, strict=True))]
    return codes
