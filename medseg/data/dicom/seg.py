"""DICOM SEG objects: binary, fractional and label-map segments as regions on the grid of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels

from medseg.config import DatasetConfig
from medseg.data.dicom.drawing import Piece, Place, Region, draw
from medseg.data.dicom.frames import frame_groups
from medseg.data.dicom.geometry import Plane, plane_of
from medseg.data.dicom.header import DAMAGED, shape_of, text
from medseg.data.dicom.kinds import LABEL_MAP
from medseg.data.dicom.names import class_name
from medseg.data.dicom.pixels import read_whole
from medseg.data.image import from_lps, match_tolerance_mm
from medseg.data.regrid import resampled_classes
from medseg.errors import RejectedFileError
from medseg.types import Affine, Geometry

MOST_PLANES = 4096  # of a reference's own grid


def segment_names(dataset: Dataset, path: Path) -> dict[int, str]:
    """Segment number to class name, background of a label map left out.

    Raises:
        RejectedFileError: ``unreadable-dicom``: no or damaged SegmentSequence.
    """
    try:
        segments = dataset.SegmentSequence
        names = {int(item.SegmentNumber): class_name(text(item, "SegmentLabel")) for item in segments}
    except DAMAGED as error:
        reason = f"SegmentSequence cannot be read ({type(error).__name__})"
        raise RejectedFileError("unreadable-dicom", reason, path) from None
    names.pop(0, None)
    if not names:
        raise RejectedFileError("unreadable-dicom", "SegmentSequence names no segment", path)
    return names


@dataclass(frozen=True)
class _Segmentation:
    """One object.

    Attributes:
        planes: of every frame.
        numbers: segment of every frame; 0 in a label map, whose frames show all of them.
        covers: which pixels of a frame are of a segment.
    """

    dataset: Dataset
    path: Path
    names: dict[int, str]
    planes: list[Plane]
    numbers: list[int]
    covers: Callable[[NDArray, int], NDArray[np.bool_]]


def segment_regions(path: Path, grid: Geometry, config: DatasetConfig) -> list[Region]:
    """The segments of an object on an image's grid; planes without a frame are empty.

    Raises:
        RejectedFileError: ``read_whole``'s and ``frame_groups``' codes, ``unsupported-segmentation``,
            ``reference-geometry`` (only where ``resample_references`` is off), ``overlapping-segments``.
    """
    found = _read(path, config.fraction_threshold)
    tolerance_mm = match_tolerance_mm(grid, config.tolerances)
    try:
        places = [_place(plane, grid, tolerance_mm, path) for plane in found.planes]
    except RejectedFileError:
        if not config.resample_references:
            raise
        return _resampled(found, grid, config)
    return [_region(found, number, places, grid) for number in found.names]


def _read(path: Path, threshold: float) -> _Segmentation:
    dataset = read_whole(path)
    names = segment_names(dataset, path)
    try:
        _, rows, columns = shape_of(dataset, path)
        groups = list(frame_groups(dataset, path))
        planes = [plane_of(group, (rows, columns), path) for group in groups]
        label_map = str(dataset.SOPClassUID) == LABEL_MAP
        numbers = [0 if label_map else int(group.ReferencedSegmentNumber) for group in groups]
        covers = _covers(dataset, label_map, threshold, path)
    except DAMAGED as error:
        reason = f"cannot be read as DICOM SEG ({type(error).__name__})"
        raise RejectedFileError("unreadable-dicom", reason, path) from None
    strange = set(numbers) - set(names) - {0}
    if strange:
        raise RejectedFileError("unreadable-dicom", f"a frame shows segment {min(strange)}, which is not named", path)
    return _Segmentation(dataset, path, names, planes, numbers, covers)


def _covers(
    dataset: Dataset, label_map: bool, threshold: float, path: Path
) -> Callable[[NDArray, int], NDArray[np.bool_]]:
    kind = text(dataset, "SegmentationType") or ("LABELMAP" if label_map else "")
    if label_map and kind == "LABELMAP":
        return lambda pixels, number: pixels == number
    if kind == "BINARY":
        return lambda pixels, number: pixels > 0
    if kind == "FRACTIONAL":
        least = threshold * int(dataset.MaximumFractionalValue)
        return lambda pixels, number: (pixels > 0) & (pixels >= least)
    raise RejectedFileError("unsupported-segmentation", "segmentation is not BINARY, FRACTIONAL or LABELMAP", path)


def _region(found: _Segmentation, number: int, places: Sequence[Place], grid: Geometry) -> Region:
    frames = [frame for frame, shown in enumerate(found.numbers) if shown in (0, number)]

    def pieces() -> Iterator[Piece]:
        for frame, pixels in zip(frames, _pixels(found, frames), strict=True):
            affine = found.planes[frame].affine
            drawn, _ = from_lps(found.covers(pixels, number).T[:, :, None], affine)
            yield places[frame], drawn

    return Region(found.names[number], found.path, pieces)


def _pixels(found: _Segmentation, frames: Sequence[int]) -> Iterator[NDArray]:
    if not frames:
        return
    try:
        yield from iter_pixels(found.dataset, indices=frames)
    except DAMAGED as error:
        reason = f"frames cannot be decoded ({type(error).__name__})"
        raise RejectedFileError("undecodable-pixels", reason, found.path) from None


def _place(plane: Plane, grid: Geometry, tolerance_mm: float, path: Path) -> Place:
    """Where a frame lies in the grid.

    Raises:
        RejectedFileError: ``reference-geometry``.
    """
    rows, columns = plane.size
    frame, affine = from_lps(np.empty((columns, rows, 1), np.bool_), plane.affine)
    start = np.rint((np.linalg.inv(grid.affine) @ affine)[:3, 3]).astype(int)
    stop = start + frame.shape
    expected = grid.affine.copy()
    expected[:3, 3] = grid.affine[:3, :3] @ start + grid.affine[:3, 3]
    size = (frame.shape[0], frame.shape[1], frame.shape[2])
    inside = (start >= 0).all() and (stop <= grid.shape).all()
    if not inside or not Geometry(size, affine).matches(Geometry(size, expected), tolerance_mm):
        raise RejectedFileError(
            "reference-geometry",
            f"a frame at {np.round(affine[:3, 3], 2).tolist()} mm (RAS) does not lie on the image's grid "
            f"of {grid.shape} voxels of {np.round(grid.spacing_mm, 3).tolist()} mm",
            path,
        )
    i, j, k = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return i, j, k


def _resampled(found: _Segmentation, grid: Geometry, config: DatasetConfig) -> list[Region]:
    """The segments drawn on the object's own grid and brought onto another one, together: linear, then argmax."""
    own = _own_grid(found, config)
    tolerance_mm = match_tolerance_mm(own, config.tolerances)
    places = [_place(plane, own, tolerance_mm, found.path) for plane in found.planes]
    regions = [_region(found, number, places, own) for number in found.names]
    names = list(dict.fromkeys(found.names.values()))
    drawn = draw(regions, own, names, config.overlap)
    values = resampled_classes(drawn.image, grid)[0]
    whole = (slice(None), slice(None), slice(None))
    resampled = [
        Region(name, found.path, lambda value=value: iter([(whole, values == value)]))  # type: ignore[misc]
        for value, name in enumerate(names, start=1)
    ]
    return [replace(resampled[0], warnings=drawn.warnings), *resampled[1:]]


def _own_grid(found: _Segmentation, config: DatasetConfig) -> Geometry:
    """The regular grid that all frames lie on, planes without frames included."""
    first = min(found.planes, key=lambda plane: plane.height_mm)
    heights = np.unique(np.round([plane.height_mm for plane in found.planes], 3))
    step_mm = float(np.diff(heights).min()) if len(heights) > 1 else first.thickness_mm or 1.0
    affine: Affine = first.affine
    affine[:3, 2] = first.normal * step_mm
    count = round(float(heights[-1] - heights[0]) / step_mm) + 1
    if count > MOST_PLANES:
        reason = f"frames lie {step_mm:g} mm apart over {count} planes; a grid may have {MOST_PLANES}"
        raise RejectedFileError("reference-geometry", reason, found.path)
    rows, columns = first.size
    shape, moved = from_lps(np.empty((columns, rows, count), np.bool_), affine)
    return Geometry((shape.shape[0], shape.shape[1], shape.shape[2]), moved)
