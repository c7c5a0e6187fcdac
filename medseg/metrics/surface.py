"""Distances in mm between the surfaces of two masks, and the metrics that summarise them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import edt
import numpy as np
from numpy.typing import NDArray

FLOAT32_SLACK = 1e-6  # relative: the distance transform is float32, and a distance equal to the tolerance is within it


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances from every surface voxel of one mask to the nearest surface voxel of the other.

    A surface voxel belongs to the mask and has a neighbour across a face that does not; what lies outside the image
    counts as background (MONAI's ``get_mask_edges``). Both arrays are empty where a mask is empty.

    Attributes:
        prediction_to_reference, reference_to_prediction: (N,) float64, mm.
        worst_mm: what a distance is where only one mask is empty: the diagonal of the whole image.
        empty: which masks are empty: 0, 1 or 2 of them.
    """

    prediction_to_reference: NDArray[np.float64]
    reference_to_prediction: NDArray[np.float64]
    worst_mm: float
    empty: int

    @property
    def hd_mm(self) -> float:
        """Hausdorff distance; Huttenlocher 1993."""
        return self._percentile(100)

    @property
    def hd95_mm(self) -> float:
        """Larger of the two directed 95th percentiles, as MONAI and MetricsReloaded compute it."""
        return self._percentile(95)

    @property
    def assd_mm(self) -> float:
        """Average symmetric surface distance: the mean over the voxels of both surfaces."""
        if self.empty:
            return self._undefined(worst=self.worst_mm)
        return float(np.concatenate([self.prediction_to_reference, self.reference_to_prediction]).mean())

    def nsd(self, tolerance_mm: float) -> float:
        """Part of both surfaces that lies within the tolerance of the other; Nikolov 2018, by voxels as in MONAI."""
        if self.empty:
            return self._undefined(worst=0.0)
        limit = tolerance_mm * (1 + FLOAT32_SLACK)
        both = (self.prediction_to_reference, self.reference_to_prediction)
        return sum(int((d <= limit).sum()) for d in both) / sum(d.size for d in both)

    def _percentile(self, percent: float) -> float:
        if self.empty:
            return self._undefined(worst=self.worst_mm)
        both = (self.prediction_to_reference, self.reference_to_prediction)
        return max(float(np.percentile(d, percent)) for d in both)

    def _undefined(self, worst: float) -> float:
        return math.nan if self.empty == 2 else worst


def surface_distances(
    prediction: NDArray[Any], reference: NDArray[Any], spacing_mm: Sequence[float]
) -> SurfaceDistances:
    """Measure both directions with one distance transform per mask on the joint bounding box.

    Axes of length 1 are dropped, so a volume of one slice has 2D surfaces.

    Args:
        prediction, reference: bool masks of one shape, 2 or 3 axes.
        spacing_mm: voxel size per axis.

    Raises:
        ValueError: the shapes differ, or the spacing does not fit them.
    """
    if prediction.shape != reference.shape or len(spacing_mm) != prediction.ndim:
        raise ValueError(
            "prediction, reference and spacing_mm must have equal axes, got "
            f"{prediction.shape}, {reference.shape} and {tuple(spacing_mm)}"
        )
    worst_mm = image_diagonal_mm(reference.shape, spacing_mm)
    empty = int(not prediction.any()) + int(not reference.any())
    if empty:
        return SurfaceDistances(np.empty(0), np.empty(0), worst_mm, empty)
    axes = _extended_axes(reference.shape)
    spacing = tuple(float(spacing_mm[axis]) for axis in axes)
    dropped = tuple(axis for axis in range(reference.ndim) if axis not in axes)
    first, second = _cropped(prediction.squeeze(dropped), reference.squeeze(dropped))
    return _between(_surface(first), _surface(second), spacing, worst_mm)


def image_diagonal_mm(shape: Sequence[int], spacing_mm: Sequence[float]) -> float:
    """Length of the image's diagonal, from outer corner to outer corner; axes of length 1 do not count."""
    axes = _extended_axes(shape)
    return float(np.linalg.norm([shape[axis] * spacing_mm[axis] for axis in axes]))


def _extended_axes(shape: Sequence[int]) -> tuple[int, ...]:
    """Axes longer than 1; all of them where fewer than two are left, for a surface needs two."""
    axes = tuple(axis for axis, length in enumerate(shape) if length > 1)
    return axes if len(axes) >= 2 else tuple(range(len(shape)))


def _cropped(*masks: NDArray[Any]) -> list[NDArray[np.bool_]]:
    """The masks on their joint bounding box with one voxel of background around it."""
    union = np.logical_or.reduce(masks)
    box = []
    for axis in range(union.ndim):
        others = tuple(other for other in range(union.ndim) if other != axis)
        filled = np.flatnonzero(union.any(axis=others))
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return [np.pad(mask[tuple(box)], 1) for mask in masks]


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mask without its erosion across faces; the mask must not touch the array's border."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        inner &= np.roll(mask, 1, axis) & np.roll(mask, -1, axis)
    return mask & ~inner


def _between(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], spacing_mm: tuple[float, ...], worst_mm: float
) -> SurfaceDistances:
    to_reference = edt.edtsq(~reference, anisotropy=spacing_mm)[prediction]
    to_prediction = edt.edtsq(~prediction, anisotropy=spacing_mm)[reference]
    return SurfaceDistances(
        np.sqrt(to_reference.astype(np.float64)), np.sqrt(to_prediction.astype(np.float64)), worst_mm, empty=0
    )
