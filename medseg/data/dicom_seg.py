"""DICOM SEG objects as references on the grid of their image series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medseg.data.dicom import DAMAGED, plane
from medseg.data.image import Image, from_lps
from medseg.data.labels import Classes, Reference, slug
from medseg.errors import RejectedFileError
from medseg.types import Affine, Geometry

if TYPE_CHECKING:
    from highdicom.seg import Segmentation

SEG_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
POSITION_TOLERANCE = 0.1  # of a voxel
POSITION_TOLERANCE_MM = 1.0


def segment_names(dataset: Dataset, path: Path) -> dict[int, str]:
    """Segment number to class name.

    Raises:
        RejectedFileError: ``unreadable-dicom``: no or damaged SegmentSequence.
    """
    try:
        names = {int(item.SegmentNumber): slug(str(item.SegmentLabel)) for item in dataset.SegmentSequence}
    except DAMAGED as error:
        raise RejectedFileError("unreadable-dicom", f"SegmentSequence cannot be read: {error}", path) from error
    if not names:
        raise RejectedFileError("unreadable-dicom", "SegmentSequence is empty", path)
    return names


def read_segments(paths: Sequence[Path], grid: Geometry) -> Reference:
    """Draw the binary segments of one or more SEG objects on an image's grid; slices without a frame stay 0.

    Raises:
        RejectedFileError: ``unreadable-dicom``, ``unsupported-segmentation`` (fractional or label map),
            ``reference-geometry``, ``overlapping-segments``.
    """
    volume = np.zeros(grid.shape, dtype=np.uint16)
    values: Classes = {}
    for path in paths:
        segmentation = _open(path)
        names = segment_names(segmentation, path)
        for name in names.values():
            values.setdefault(name, len(values) + 1)
        for number, frame, affine in _frames(segmentation, path):
            if number not in names:
                raise RejectedFileError("unreadable-dicom", f"a frame shows segment {number}, which is not named", path)
            drawn, placed = from_lps(frame[:, :, None] > 0, affine)
            region = volume[_place(drawn.shape, placed, grid, path)]
            if region[drawn].any():
                raise RejectedFileError(
                    "overlapping-segments", f"segment {names[number]} covers voxels of another segment", path
                )
            region[drawn] = values[names[number]]
    return Reference(Image(volume[None], grid.affine), names=values)


def _place(shape: tuple[int, ...], affine: Affine, grid: Geometry, path: Path) -> tuple[slice, slice, slice]:
    """Where a frame of (I, J, K) ``shape``, one of them 1, lies in the grid."""
    start = np.rint((np.linalg.inv(grid.affine) @ affine)[:3, 3]).astype(int)
    stop = start + shape
    i, j, k = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    frame = Geometry((shape[0], shape[1], shape[2]), affine)
    expected = grid.affine.copy()
    expected[:3, 3] = grid.affine[:3, :3] @ start + grid.affine[:3, 3]
    tolerance = min(POSITION_TOLERANCE_MM, POSITION_TOLERANCE * min(grid.spacing_mm))
    inside = (start >= 0).all() and (stop <= grid.shape).all()
    if not inside or not frame.matches(Geometry(frame.shape, expected), tolerance):
        raise RejectedFileError(
            "reference-geometry",
            f"a frame at {np.round(affine[:3, 3], 2).tolist()} mm (RAS) does not lie on the image's grid "
            f"of {grid.shape} voxels of {np.round(grid.spacing_mm, 3).tolist()} mm",
            path,
        )
    return i, j, k


def _open(path: Path) -> Segmentation:
    from highdicom.seg import segread

    try:
        segmentation = segread(path)
        kind = str(segmentation.SegmentationType)
    except DAMAGED as error:
        raise RejectedFileError("unreadable-dicom", f"cannot be read as DICOM SEG: {error}", path) from error
    if kind != "BINARY":
        raise RejectedFileError(
            "unsupported-segmentation", f"segmentation type is {kind}; only BINARY is read yet", path
        )
    return segmentation


def _frames(segmentation: Segmentation, path: Path) -> Iterator[tuple[int, NDArray[np.uint8], Affine]]:
    """Segment number, (columns, rows) pixels and LPS affine of each frame."""
    try:
        shared = segmentation.SharedFunctionalGroupsSequence[0]
        for index, own in enumerate(segmentation.PerFrameFunctionalGroupsSequence):
            number = int(_group(own, shared, "SegmentIdentificationSequence").ReferencedSegmentNumber)
            affine, _ = plane(_placement(own, shared), path)
            yield number, segmentation.get_stored_frame(index + 1).T, affine
    except RejectedFileError:
        raise
    except DAMAGED as error:
        raise RejectedFileError("unreadable-dicom", f"frames cannot be read: {error}", path) from error


def _group(own: Dataset, shared: Dataset, name: str) -> Dataset:
    return (own if name in own else shared)[name].value[0]


def _placement(own: Dataset, shared: Dataset) -> Dataset:
    placement = Dataset()
    placement.ImagePositionPatient = _group(own, shared, "PlanePositionSequence").ImagePositionPatient
    placement.ImageOrientationPatient = _group(own, shared, "PlaneOrientationSequence").ImageOrientationPatient
    placement.PixelSpacing = _group(own, shared, "PixelMeasuresSequence").PixelSpacing
    return placement
