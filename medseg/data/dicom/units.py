"""From stored values to the modality's unit: rescale, Modality LUT, MONOCHROME1, palettes and colours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from medseg.data.dicom.header import DAMAGED
from medseg.errors import RejectedFileError

LUMINANCE = (19595, 38470, 7471)  # ITU-R 601 weights in 65536ths, so that equal channels keep their value


@dataclass(frozen=True)
class Rescale:
    """``value = stored * slope + intercept``."""

    slope: float = 1.0
    intercept: float = 0.0

    @property
    def whole(self) -> bool:
        return self.slope.is_integer() and self.intercept.is_integer()


def rescale_of(dataset: Dataset, path: Path) -> Rescale:
    """Rescale Slope and Intercept of a slice, or of the item of a frame's Pixel Value Transformation Sequence.

    Raises:
        RejectedFileError: ``bad-rescale``: not two finite numbers, or a slope of 0.
    """
    try:
        slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
        found = Rescale(1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept))
    except DAMAGED:
        raise RejectedFileError("bad-rescale", "RescaleSlope or RescaleIntercept is not a number", path) from None
    if not (np.isfinite(found.slope) and np.isfinite(found.intercept)) or found.slope == 0:
        reason = f"slope {found.slope} and intercept {found.intercept} give no values"
        raise RejectedFileError("bad-rescale", reason, path)
    return found


def with_rising_grey(stored: NDArray, dataset: Dataset) -> NDArray:
    """Values that rise with brightness: MONOCHROME1, where low is white, is turned round within the stored range."""
    if dataset.PhotometricInterpretation != "MONOCHROME1":
        return stored
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    return np.array(-1 if stored.dtype.kind == "i" else 2**bits - 1, stored.dtype) - stored


def has_lut(dataset: Dataset) -> bool:
    return bool(dataset.get("ModalityLUTSequence"))


def through_lut(stored: NDArray, dataset: Dataset, path: Path) -> NDArray:
    """Values of the Modality LUT; of a MONOCHROME1 picture turned round within what the LUT can say.

    Raises:
        RejectedFileError: ``bad-rescale``.
    """
    try:
        values = apply_modality_lut(stored, dataset)
        if dataset.PhotometricInterpretation != "MONOCHROME1":
            return values
        bits = int(dataset.ModalityLUTSequence[0].LUTDescriptor[2])
        return np.array(2**bits - 1, values.dtype) - values
    except DAMAGED as error:
        reason = f"Modality LUT cannot be applied ({type(error).__name__})"
        raise RejectedFileError("bad-rescale", reason, path) from None


def through_palette(stored: NDArray, dataset: Dataset, path: Path) -> NDArray:
    """Colours of palette indices: (rows, columns, 3) uint8 or uint16.

    Raises:
        RejectedFileError: ``unsupported-pixels``.
    """
    try:
        return apply_color_lut(stored, dataset)[..., :3]
    except DAMAGED as error:
        reason = f"palette cannot be applied ({type(error).__name__})"
        raise RejectedFileError("unsupported-pixels", reason, path) from None


def luminance(colours: NDArray) -> NDArray:
    """(rows, columns) of (rows, columns, 3) unsigned integers, of the same type."""
    red, green, blue = (colours[..., channel].astype(np.uint64) * weight for channel, weight in enumerate(LUMINANCE))
    return ((red + green + blue + 2**15) >> 16).astype(colours.dtype)


class Volume:
    """Slices put one by one into one array of the smallest type that holds them all: int16, uint16, else float32.

    Args:
        slices: number of slices, of which each is given once.
        flips: which of slice, row and column run the other way round in the array.
    """

    def __init__(self, slices: int, shape: tuple[int, int], flips: tuple[bool, bool, bool]) -> None:
        self.array: NDArray = np.empty((slices, *shape), np.int16)
        self._steps = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
        self._low, self._high = 0, 0

    def put(self, index: int, stored: NDArray, rescale: Rescale) -> None:
        """Rescale a slice of (rows, columns) integers into its place."""
        if rescale.whole:
            ends = [int(stored.min()), int(stored.max())]
            ends = sorted(int(rescale.slope) * end + int(rescale.intercept) for end in ends)
            self._low, self._high = min(self._low, ends[0]), max(self._high, ends[1])
        self._widen(rescale.whole)
        place = self.array[self._steps][index]
        if self.array.dtype.kind == "f":
            place[...] = stored * rescale.slope + rescale.intercept
        else:
            wide = np.int32 if stored.dtype.itemsize <= 2 and rescale.slope == 1 else np.int64
            values = stored if rescale.slope == 1 else stored.astype(wide) * int(rescale.slope)
            np.add(values, wide(rescale.intercept), out=place, casting="unsafe", dtype=wide)  # it is known to fit

    def _widen(self, whole: bool) -> None:
        if self.array.dtype.kind == "f":
            return
        needed: type[np.generic] = np.float32
        for dtype in (np.int16, np.uint16):
            if whole and np.iinfo(dtype).min <= self._low and self._high <= np.iinfo(dtype).max:
                needed = dtype
                break
        if self.array.dtype != needed:
            self.array = self.array.astype(needed)
