"""Where the slices of a volume lie, and whether they make a regular grid; what would be invented is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medseg.config import ToleranceConfig
from medseg.data.dicom.header import DAMAGED, numbers
from medseg.errors import RejectedFileError
from medseg.types import Affine

GAP_TOLERANCE = 0.05  # part of the slice distance by which gaps may differ
ROUNDING_MM = 0.02  # of positions in headers
RIGHT_ANGLE = 1e-3
FARTHEST_MM = 1e5
LARGEST_SPACING_MM = 1e3
SPACING_TOLERANCE = 1e-4  # part of the pixel size by which it may differ between slices of one volume


@dataclass(frozen=True)
class Plane:
    """Where one slice lies, and what else parts it from slices of other volumes.

    Attributes:
        position: of the first pixel's centre, LPS mm.
        orientation: unit vectors along a row and along a column.
        spacing_mm: from row to row, from column to column.
        size: rows, columns.
        thickness_mm: what the header says about the third axis; 0 where it says nothing.
        kind: echo, image type and the like: slices that differ in these are never of one volume.
        repeat: what parts repeated acquisitions of the same positions.
    """

    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing_mm: tuple[float, float]
    size: tuple[int, int]
    thickness_mm: float = 0.0
    kind: tuple[str, ...] = ()
    repeat: tuple[str, ...] = ()

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        x, y, z, u, v, w = self.orientation
        return np.array([y * w - z * v, z * u - x * w, x * v - y * u])

    @cached_property
    def height_mm(self) -> float:
        """Place along the normal."""
        return float(self.normal @ np.array(self.position))

    @property
    def affine(self) -> Affine:
        """4x4 LPS affine of (column, row, 0), with the unit normal as third column."""
        row_mm, column_mm = self.spacing_mm
        along_row, along_column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        affine = np.eye(4)
        affine[:3] = np.column_stack([along_row * column_mm, along_column * row_mm, self.normal, self.position])
        return affine


def plane_of(
    placed: Dataset,
    size: tuple[int, int],
    path: Path,
    kind: tuple[str, ...] = (),
    repeat: tuple[str, ...] = (),
) -> Plane:
    """The plane of a slice, or of the merged functional groups of a frame.

    Raises:
        RejectedFileError: ``missing-position``, ``missing-spacing``, ``bad-orientation``.
    """
    position = numbers(placed, "ImagePositionPatient", 3, "missing-position", path)
    orientation = numbers(placed, "ImageOrientationPatient", 6, "missing-position", path)
    spacing_mm = numbers(placed, "PixelSpacing", 2, "missing-spacing", path)
    if spacing_mm.min() <= 0 or spacing_mm.max() > LARGEST_SPACING_MM:
        reason = f"PixelSpacing {spacing_mm.tolist()}: must be above 0 and at most {LARGEST_SPACING_MM:g} mm"
        raise RejectedFileError("missing-spacing", reason, path)
    _check_position(position, path)
    frame = orientation.reshape(2, 3)
    if not np.allclose(frame @ frame.T, np.eye(2), atol=RIGHT_ANGLE):
        raise RejectedFileError("bad-orientation", "ImageOrientationPatient: need two unit vectors at 90 degrees", path)
    row_mm, column_mm = spacing_mm.tolist()
    thickness_mm = _thickness_mm(placed)
    place = (tuple(position.tolist()), tuple(orientation.tolist()))
    return Plane(*place, (row_mm, column_mm), size, thickness_mm, kind, repeat)


PLACE_TAGS = frozenset({0x00200037, 0x00280030, 0x00180088, 0x00180050})  # all of a plane but its position


def moved(plane: Plane, placed: Dataset, path: Path, repeat: tuple[str, ...] = ()) -> Plane:
    """The same plane in the position of another slice.

    Raises:
        RejectedFileError: ``missing-position``.
    """
    position = numbers(placed, "ImagePositionPatient", 3, "missing-position", path)
    _check_position(position, path)
    place = (tuple(position.tolist()), plane.orientation, plane.spacing_mm, plane.size)
    return Plane(*place, plane.thickness_mm, plane.kind, repeat)


def _check_position(position: NDArray[np.float64], path: Path) -> None:
    if np.abs(position).max() > FARTHEST_MM:
        raise RejectedFileError("missing-position", f"ImagePositionPatient is beyond {FARTHEST_MM:g} mm", path)


def _thickness_mm(placed: Dataset) -> float:
    """Distance between slices, else thickness; 0 where neither is a number above 0."""
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        try:
            value = float(placed.get(keyword) or 0)
        except DAMAGED:
            continue
        if 0 < value <= LARGEST_SPACING_MM:
            return value
    return 0.0


def same_grid(a: Plane, b: Plane, tolerances: ToleranceConfig) -> bool:
    """Whether two slices may be of one volume by size, pixel size and orientation."""
    if (a.size, a.spacing_mm, a.orientation) == (b.size, b.spacing_mm, b.orientation):
        return True
    if a.size != b.size or not np.allclose(a.spacing_mm, b.spacing_mm, rtol=SPACING_TOLERANCE, atol=0):
        return False
    vectors = np.array([a.orientation, b.orientation]).reshape(2, 2, 3)
    chords = np.linalg.norm(vectors[0] - vectors[1], axis=1)  # a chord of the unit circle: exact for small angles
    return bool(np.degrees(2 * np.arcsin(np.clip(chords / 2, 0, 1))).max() <= tolerances.orientation_degrees)


def grid_step(planes: Sequence[Plane], tolerances: ToleranceConfig) -> NDArray[np.float64]:
    """The vector in LPS mm from one slice to the next.

    Args:
        planes: of one grid, sorted by height.

    Raises:
        RejectedFileError: ``duplicate-slice``, ``slice-gap``, ``gantry-tilt``, ``shifted-slice``, or
            ``missing-spacing``: a single slice that does not say how thick it is.
    """
    if len(planes) == 1:
        if planes[0].thickness_mm <= 0:
            raise RejectedFileError("missing-spacing", "a single slice without SliceThickness has no third axis")
        return planes[0].normal * planes[0].thickness_mm
    positions = np.array([plane.position for plane in planes])
    normal = planes[0].normal
    heights = positions @ normal
    tolerance_mm = _check_gaps(heights, tolerances)
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    sine = float(np.linalg.norm(np.cross(step, normal)) / np.linalg.norm(step))
    tilt_degrees = float(np.degrees(np.arcsin(min(1.0, sine))))
    if tilt_degrees > tolerances.gantry_tilt_degrees:
        raise RejectedFileError("gantry-tilt", f"slices are sheared by {tilt_degrees:.1f} degrees against their normal")
    off = np.linalg.norm(positions - (positions[0] + np.arange(len(positions))[:, None] * step), axis=1)
    if off.max() > tolerance_mm:
        at = int(off.argmax())
        reason = f"slice {at + 1} of {len(off)} lies {off[at]:.2f} mm off the line of the others"
        raise RejectedFileError("shifted-slice", reason)
    return step


def gap_at(planes: Sequence[Plane]) -> int:
    """Number of the slice in front of the largest gap of sorted ``planes``."""
    return int(np.diff([plane.height_mm for plane in planes]).argmax())


def duplicates_at(planes: Sequence[Plane], tolerances: ToleranceConfig) -> list[int]:
    """Numbers of those sorted ``planes`` that lie where a neighbour lies."""
    near = np.diff([plane.height_mm for plane in planes]) < tolerances.duplicate_mm
    return np.flatnonzero(np.append(near, False) | np.append(False, near)).tolist()


def _check_gaps(heights: NDArray[np.float64], tolerances: ToleranceConfig) -> float:
    """Check equal distances; returns the tolerance in mm."""
    gaps = np.diff(heights)
    if gaps.min() < tolerances.duplicate_mm:
        at = heights[int(gaps.argmin())]
        raise RejectedFileError("duplicate-slice", f"two slices of one series lie at {at:.2f} mm along the normal")
    usual = float(np.median(gaps))
    tolerance_mm = tolerances.slice_gap_mm or max(GAP_TOLERANCE * usual, ROUNDING_MM)
    odd = np.abs(gaps - usual)
    if odd.max() > tolerance_mm:
        at = int(odd.argmax())
        raise RejectedFileError(
            "slice-gap",
            f"slices are {usual:.2f} mm apart, but {gaps[at]:.2f} mm between {heights[at]:.2f} and "
            f"{heights[at + 1]:.2f} mm along the normal",
        )
    return tolerance_mm
