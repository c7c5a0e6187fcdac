"""RTSTRUCT objects: contours of regions of interest, filled on the grid of an image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from medseg.data.dicom.drawing import Piece, Region
from medseg.data.dicom.header import DAMAGED, open_header, text
from medseg.data.dicom.names import class_name
from medseg.data.image import LPS_TO_RAS
from medseg.errors import RejectedFileError
from medseg.types import Geometry

CONTOUR_DATA = 0x30060050
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
FLATNESS = 0.1  # of a voxel, by which the points of a contour may leave its plane
HALF = 0.5 + 1e-3  # of a slice, with rounding
SAME_PLANE = 0.01  # of a slice

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Roi:
    """A region of interest.

    Attributes:
        contours: closed polygons, (points, 3) LPS mm.
    """

    name: str
    contours: list[Points]


def roi_names(dataset: Dataset, path: Path) -> dict[int, str]:
    """Number of every region of interest that has a closed contour, to its class name.

    Raises:
        RejectedFileError: ``unreadable-dicom``, ``no-contours``.
    """
    try:
        items = dataset.get("StructureSetROISequence") or ()
        names = {int(item.ROINumber): class_name(text(item, "ROIName")) for item in items}
        drawn = {int(item.ReferencedROINumber) for item in _contoured(dataset)}
    except DAMAGED as error:
        reason = f"regions of interest cannot be read ({type(error).__name__})"
        raise RejectedFileError("unreadable-dicom", reason, path) from None
    if drawn - set(names):
        raise RejectedFileError("unreadable-dicom", "contours of a region of interest that is not named", path)
    if not drawn:
        raise RejectedFileError("no-contours", "holds no closed contour", path)
    return {number: names[number] for number in sorted(drawn)}


def _contoured(dataset: Dataset) -> Iterator[Dataset]:
    """Regions of interest with closed contours; points, such as isocentres, are none."""
    for item in dataset.get("ROIContourSequence") or ():
        if any(text(contour, "ContourGeometricType") in CLOSED for contour in item.get("ContourSequence") or ()):
            yield item


def contour_regions(path: Path, grid: Geometry) -> list[Region]:
    """The regions of interest of an object as regions on an image's grid.

    A voxel is inside where its centre is, by the even-odd rule over all contours of a region in one plane, so that
    inner contours are holes. A contour between two slices belongs to the nearer one; where several planes are nearest
    to one slice, the nearest of them counts.

    Raises:
        RejectedFileError: ``unreadable-dicom``, ``no-contours``, ``reference-geometry``: a contour is not in a plane
            of the grid, or lies more than half a slice outside.
    """
    dataset = open_header(path).dataset
    rois = _rois(dataset, path)
    to_voxel = np.linalg.inv(grid.affine) @ LPS_TO_RAS
    placed = [[contour @ to_voxel[:3, :3].T + to_voxel[:3, 3] for contour in roi.contours] for roi in rois]
    axis = _slice_axis([contour for contours in placed for contour in contours], path)
    return [
        Region(roi.name, path, partial(_fill, _slices(contours, axis, grid, path), axis, grid))
        for roi, contours in zip(rois, placed, strict=True)
    ]


def _rois(dataset: Dataset, path: Path) -> list[Roi]:
    names = roi_names(dataset, path)
    try:
        return [Roi(names[int(item.ReferencedROINumber)], _contours(item)) for item in _contoured(dataset)]
    except DAMAGED as error:
        reason = f"contours cannot be read ({type(error).__name__})"
        raise RejectedFileError("unreadable-dicom", reason, path) from None


def _contours(item: Dataset) -> list[Points]:
    closed = [found for found in item.ContourSequence if text(found, "ContourGeometricType") in CLOSED]
    return [points for points in map(_points, closed) if len(points) >= 3]


def _points(contour: Dataset) -> Points:
    """Straight from the bytes: pydicom makes an object of every number, which takes minutes for large sets."""
    element = contour.get_item(CONTOUR_DATA)
    if isinstance(element, RawDataElement) and element.value is not None:
        numbers = np.array(element.value.rstrip(b" \0").split(b"\\"), dtype=np.float64)
    else:
        numbers = np.array([float(number) for number in contour.ContourData], dtype=np.float64)
    if len(numbers) % 3 or not np.isfinite(numbers).all():
        raise ValueError("contour data must be triples of finite numbers")
    return numbers.reshape(-1, 3)


def _slice_axis(contours: Sequence[Points], path: Path) -> int:
    """The axis of the grid across which all contours are flat."""
    if not contours:
        raise RejectedFileError("no-contours", "holds no closed contour of 3 points or more", path)
    depth = np.max([np.ptp(contour, axis=0) for contour in contours], axis=0)
    axis = int(depth.argmin())
    if depth[axis] > FLATNESS:
        reason = f"contours leave the planes of the image's slices by {depth[axis]:.2f} voxels"
        raise RejectedFileError("reference-geometry", reason, path)
    return axis


def _slices(contours: Sequence[Points], axis: int, grid: Geometry, path: Path) -> dict[int, list[Points]]:
    """Contours of every slice, of the plane that is nearest to it."""
    planes: dict[float, list[Points]] = defaultdict(list)
    for contour in contours:
        height = float(contour[:, axis].mean())
        near = next((known for known in planes if abs(known - height) < SAME_PLANE), height)
        planes[near].append(contour)
    nearest: dict[int, float] = {}
    for height in planes:
        number = min(max(round(height), 0), grid.shape[axis] - 1)
        if abs(height - number) > HALF:
            reason = f"a contour lies {abs(height - number):.2f} slices outside the image"
            raise RejectedFileError("reference-geometry", reason, path)
        if number not in nearest or abs(height - number) < abs(nearest[number] - number):
            nearest[number] = height
    return {number: planes[height] for number, height in nearest.items()}


def _fill(slices: dict[int, list[Points]], axis: int, grid: Geometry) -> Iterator[Piece]:
    first, second = (other for other in range(3) if other != axis)
    size = (grid.shape[first], grid.shape[second])
    for number, contours in slices.items():
        mask = fill([contour[:, [first, second]] for contour in contours], size)
        place = [slice(None)] * 3
        place[axis] = slice(number, number + 1)
        yield (place[0], place[1], place[2]), np.expand_dims(mask, axis)


def fill(polygons: Sequence[Points], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Voxels whose centres are inside polygons by the even-odd rule.

    Every edge flips all voxels behind it in the lines that it crosses; a running exclusive or along the lines gives
    the inside (scan-line parity, Foley et al., Computer Graphics, 3.6).

    Args:
        polygons: (points, 2), in voxels.

    Returns:
        (size) mask.
    """
    flips = np.zeros((size[0], size[1] + 1), dtype=np.uint8)
    for polygon in polygons:
        ends = np.roll(polygon, -1, axis=0)
        low = np.where((polygon[:, 0] < ends[:, 0])[:, None], polygon, ends)
        high = np.where((polygon[:, 0] < ends[:, 0])[:, None], ends, polygon)
        first = np.clip(np.ceil(low[:, 0]), 0, size[0]).astype(int)
        last = np.clip(np.ceil(high[:, 0]), 0, size[0]).astype(int)  # the upper end is not part of an edge
        counts = last - first
        edges = np.repeat(np.arange(len(polygon)), counts)
        lines = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edges]
        slope = (high[:, 1] - low[:, 1])[edges] / (high[:, 0] - low[:, 0])[edges]
        crossing = low[edges, 1] + (lines - low[edges, 0]) * slope
        behind = np.clip(np.ceil(crossing), 0, size[1]).astype(int)
        np.bitwise_xor.at(flips, (lines, behind), 1)
    return np.bitwise_xor.accumulate(flips[:, :-1], axis=1).astype(np.bool_)
