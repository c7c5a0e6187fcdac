"""One DICOM series as a volume: its slices decoded into one array, sorted, checked and rescaled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medseg.config import RegionConfig, ToleranceConfig
from medseg.data.deidentification.burned_in import blank, burned_in
from medseg.data.dicom.geometry import PLACE_TAGS, Plane, grid_step, moved, plane_of, same_grid
from medseg.data.dicom.header import DAMAGED, Header
from medseg.data.dicom.pixel_check import IMAGE_GROUP, PALETTE
from medseg.data.dicom.pixels import PixelReader
from medseg.data.dicom.units import Rescale, Volume, has_lut, rescale_of, through_lut, with_rising_grey
from medseg.data.image import LPS_TO_RAS, Image, from_lps
from medseg.errors import RejectedFileError
from medseg.types import Affine

SeeHeader = Callable[[Header], None]


def read_series(
    paths: Sequence[Path],
    tolerances: ToleranceConfig,
    see: SeeHeader = lambda header: None,
    regions: Sequence[RegionConfig] = (),
) -> Image:
    """Read the slices of one volume as one channel.

    Args:
        paths: one file per slice; in the order of their positions they need half of the memory.
        see: is given every header.
        regions: are blanked in slices that may carry burned-in text.

    Returns:
        int16 or uint16 where the rescaled values are whole and fit, else float32.

    Raises:
        RejectedFileError: ``plane_of``'s, ``grid_step``'s, ``PixelReader``'s and ``rescale_of``'s codes,
            ``mixed-slices``, ``unsupported-pixels``.
    """
    reader = _SliceReader(see, regions)
    planes: list[Plane] = []
    volume: Volume | None = None
    for index, path in enumerate(paths):
        try:
            plane, stored, rescale = reader.read(path)
        except DAMAGED as error:
            reason = f"header is damaged ({type(error).__name__})"
            raise RejectedFileError("unreadable-dicom", reason, path) from None
        if planes and not same_grid(planes[0], plane, tolerances):
            raise RejectedFileError("mixed-slices", "differs from the first slice in size or orientation", path)
        planes.append(plane)
        volume = volume or Volume(len(paths), stored.shape, flips_of(plane))
        volume.put(index, stored, rescale)
    assert volume is not None, "a series has at least one slice"
    return assemble(volume, planes, tolerances)


class _SliceReader:
    """Reads slices one after the other; what they share is parsed once."""

    def __init__(self, see: SeeHeader, regions: Sequence[RegionConfig]) -> None:
        self._see = see
        self._regions = regions
        self._pixels = PixelReader()
        self._last: tuple[Plane, Rescale, bool] | None = None

    def read(self, path: Path) -> tuple[Plane, NDArray, Rescale]:
        """Place, stored values with rising grey, and how they are rescaled."""
        header, stored = self._pixels.read(path)
        dataset = header.dataset
        self._see(header)
        if self._last and header.keeps(PLACE_TAGS, (IMAGE_GROUP,)):
            last, rescale, plain = self._last
            plane = moved(last, dataset, path)
        else:
            self._last = None
            plane, rescale = self._place(dataset, stored, path)
            plain = not (self._regions or has_lut(dataset) or dataset.PhotometricInterpretation == "MONOCHROME1")
        self._last = (plane, rescale, plain)
        return plane, stored if plain else self._grey(dataset, stored, path), rescale

    def _place(self, dataset: Dataset, stored: NDArray, path: Path) -> tuple[Plane, Rescale]:
        if stored.ndim != 2 or dataset.PhotometricInterpretation == PALETTE:
            raise RejectedFileError("unsupported-pixels", "a slice must hold one grey value per pixel", path)
        plane = plane_of(dataset, (stored.shape[0], stored.shape[1]), path)
        return plane, Rescale() if has_lut(dataset) else rescale_of(dataset, path)

    def _grey(self, dataset: Dataset, stored: NDArray, path: Path) -> NDArray:
        if self._regions and burned_in(dataset):
            stored = blank(stored, self._regions)
        return through_lut(stored, dataset, path) if has_lut(dataset) else with_rising_grey(stored, dataset)


def flips_of(plane: Plane) -> tuple[bool, bool, bool]:
    """Which of slice, row and column run towards left, posterior or inferior."""
    flips = nibabel.orientations.io_orientation(LPS_TO_RAS @ plane.affine)[:, 1]
    column, row, slice_ = (flip < 0 for flip in flips)
    return bool(slice_), bool(row), bool(column)


def assemble(volume: Volume, planes: Sequence[Plane], tolerances: ToleranceConfig) -> Image:
    """The image of slices that were put into a volume, in any order.

    The axes of the volume run towards right, anterior and superior already, so that RAS+ takes no copy but where
    slices came in another order.

    Raises:
        RejectedFileError: ``grid_step``'s codes.
    """
    order = sorted(range(len(planes)), key=lambda number: planes[number].height_mm)
    lowest = planes[order[0]]
    affine = lowest.affine
    affine[:3, 2] = grid_step([planes[number] for number in order], tolerances)
    flips = flips_of(lowest)
    array = volume.array
    if order != list(range(len(order))):
        array = array[_mirrored(order) if flips[0] else order]
    voxels, moved = from_lps(array.T, _flipped(affine, array.shape, flips))
    return Image(voxels[None], moved)


def _mirrored(order: list[int]) -> list[int]:
    """The same order for slices that lie in the array from the last to the first."""
    return [len(order) - 1 - number for number in reversed(order)]


def _flipped(affine: Affine, shape: Sequence[int], flips: tuple[bool, bool, bool]) -> Affine:
    """LPS affine of (column, row, slice) after the flips of (slice, row, column)."""
    flipped = affine.copy()
    for axis, (flip, size) in enumerate(zip(reversed(flips), reversed(shape), strict=True)):
        if flip:
            flipped[:3, 3] += affine[:3, axis] * (size - 1)
            flipped[:3, axis] = -affine[:3, axis]
    return np.asarray(flipped)
