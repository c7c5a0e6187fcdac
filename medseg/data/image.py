"""What an image is here: channels on one RAS+ voxel grid, and how other orientations become that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import nibabel
import numpy as np
from numpy.typing import NDArray

from medseg.config import ToleranceConfig
from medseg.types import Affine, Geometry

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # the one place where DICOM's axes become ours
MATCH_TOLERANCE = 0.1  # of a voxel
MATCH_TOLERANCE_MM = 1.0
SLICE_RATIO = 1.5  # an axis counts as the one that slices were taken along from this ratio to the next coarsest
KEPT_DTYPES = (np.dtype(np.uint8), np.dtype(np.int16), np.dtype(np.uint16))


@dataclass(frozen=True)
class Image:
    """Channels on one voxel grid.

    Attributes:
        array: (C, I, J, K) uint8, int16, uint16 or float32, all finite; pictures have K = 1.
        affine: 4x4, voxel index to RAS+ mm, nearest to the diagonal with positive signs.
    """

    array: NDArray
    affine: Affine

    @property
    def geometry(self) -> Geometry:
        i, j, k = self.array.shape[1:]
        return Geometry((i, j, k), self.affine)


def to_ras(array: NDArray, affine: Affine) -> tuple[NDArray, Affine]:
    """Flip and reorder the first three axes so that they run towards right, anterior and superior.

    Args:
        array: (I, J, K, ...), any dtype; not changed, the result is a view.
        affine: 4x4, voxel index to RAS+ mm, invertible.

    Returns:
        The reordered view, and the affine that gives every voxel its old place.
    """
    orientation = nibabel.orientations.io_orientation(affine)
    moved = affine @ nibabel.orientations.inv_ornt_aff(orientation, array.shape[:3])
    return nibabel.orientations.apply_orientation(array, orientation), np.asarray(moved, dtype=np.float64)


def from_lps(array: NDArray, affine_lps: Affine) -> tuple[NDArray, Affine]:
    """As ``to_ras``, from an affine in DICOM's and ITK's axes (left, posterior, superior)."""
    return to_ras(array, LPS_TO_RAS @ affine_lps)


def from_picture(picture: NDArray) -> tuple[NDArray, Affine]:
    """Give a picture the grid it is stored on: 1 mm pixels, K = 1.

    A picture has no scanner space. As radiographs are shown, its columns run to the patient's left and its rows
    downwards, so pixel (row r, column c) lies at LPS (c, r, 0): RAS+ array = ``picture.T[::-1, ::-1, None]``.

    Args:
        picture: (rows, columns), any dtype.

    Returns:
        (columns, rows, 1) view and its affine.
    """
    return from_lps(picture.T[:, :, None], np.eye(4))


def with_kept_dtype(array: NDArray) -> NDArray:
    """uint8, int16 and uint16 as they are, every other number as float32, in native byte order."""
    native = array.dtype.newbyteorder("=")
    return array.astype(native if native in KEPT_DTYPES else np.float32, copy=False)


def match_tolerance_mm(grid: Geometry, tolerances: ToleranceConfig) -> float:
    """How far two grids may lie apart that are meant to be the same."""
    return tolerances.reference_mm or min(MATCH_TOLERANCE_MM, MATCH_TOLERANCE * min(grid.spacing_mm))


def slice_axis(shape: Sequence[int], spacing_mm: Sequence[float]) -> Literal[0, 1, 2]:
    """The axis that slices are looked at across: a picture's single one, the coarsest if it stands out, else K (axial).

    Args:
        shape: (I, J, K).
    """
    axes: tuple[Literal[0, 1, 2], ...] = (0, 1, 2)
    if 1 in shape:
        return 2 if shape[2] == 1 else axes[list(shape).index(1)]
    coarsest = axes[int(np.argmax(spacing_mm))]
    second = sorted(spacing_mm)[-2]
    return coarsest if spacing_mm[coarsest] > SLICE_RATIO * second else 2
