"""Where the classes of a case lie: pairs of masks cut to the box that holds something, and the image around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassMasks:
    """One class in a prediction and its reference, cut to the smallest box that holds both.

    What lies outside the box counts as background, be it in the image or not.

    Attributes:
        prediction, reference: bool, C-contiguous, one shape; without voxels where both are empty. 3 axes, or 2 where
            the image has 2 or is a single slice.
        spacing_mm: voxel size per axis of the masks.
        image_voxels: of the whole image.
        diagonal_mm: of the whole image, see ``image_diagonal_mm``.
    """

    prediction: NDArray[np.bool_]
    reference: NDArray[np.bool_]
    spacing_mm: tuple[float, ...]
    image_voxels: int
    diagonal_mm: float

    @property
    def empty(self) -> int:
        """How many of the two masks hold nothing."""
        return int(not self.prediction.any()) + int(not self.reference.any())


def class_masks(
    prediction: NDArray[Any], reference: NDArray[Any], spacing_mm: Sequence[float], labels: Mapping[str, int]
) -> Iterator[tuple[str, ClassMasks]]:
    """The name and the masks of every class, in the order of ``labels``.

    The image is searched once for what is not 0, so that many small classes cost little.

    Args:
        prediction, reference: class values, one shape of 2 or 3 axes, bool or any integer dtype.
        spacing_mm: voxel size per axis.
        labels: class name to value, which is not 0.

    Raises:
        ValueError: the shapes differ, or the spacing does not fit them.
    """
    if prediction.shape != reference.shape or len(spacing_mm) != reference.ndim:
        raise ValueError(
            "prediction, reference and spacing_mm must have equal axes, got "
            f"{prediction.shape}, {reference.shape} and {tuple(spacing_mm)}"
        )
    axes = _extended_axes(reference.shape)
    flat = tuple(axis for axis in range(reference.ndim) if axis not in axes)
    predicted, expected = prediction.squeeze(flat), reference.squeeze(flat)
    predicted, expected = _cut(predicted, expected, inside=(predicted != 0) | (expected != 0))
    for name, value in labels.items():
        first, second = predicted == value, expected == value
        first, second = _cut(first, second, inside=first | second)
        masks = ClassMasks(
            prediction=np.ascontiguousarray(first),
            reference=np.ascontiguousarray(second),
            spacing_mm=tuple(float(spacing_mm[axis]) for axis in axes),
            image_voxels=reference.size,
            diagonal_mm=image_diagonal_mm(reference.shape, spacing_mm),
        )
        yield name, masks


def image_diagonal_mm(shape: Sequence[int], spacing_mm: Sequence[float]) -> float:
    """Length of the image's diagonal, from outer corner to outer corner; axes of length 1 do not count."""
    return float(np.linalg.norm([shape[axis] * spacing_mm[axis] for axis in _extended_axes(shape)]))


def _extended_axes(shape: Sequence[int]) -> tuple[int, ...]:
    """Axes longer than 1; all of them where fewer than two are left, for a surface needs two."""
    axes = tuple(axis for axis, length in enumerate(shape) if length > 1)
    return axes if len(axes) >= 2 else tuple(range(len(shape)))


def _cut(first: NDArray[Any], second: NDArray[Any], inside: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both arrays on the bounding box of a mask."""
    box: tuple[slice, ...] = ()
    for axis in range(inside.ndim):
        others = tuple(other for other in range(inside.ndim) if other != axis)
        filled = np.flatnonzero(inside[box].any(axis=others))  # what earlier axes cut off need not be searched again
        box += (slice(int(filled[0]), int(filled[-1]) + 1) if filled.size else slice(0, 0),)
    return first[box], second[box]
