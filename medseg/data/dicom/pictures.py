"""DICOM pictures without a place in the patient, such as radiographs: grey or in colours, with their pixel size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medseg.data.dicom.geometry import LARGEST_SPACING_MM
from medseg.data.dicom.header import numbers
from medseg.data.dicom.pixel_check import PALETTE
from medseg.data.dicom.units import (
    Volume,
    has_lut,
    luminance,
    rescale_of,
    through_lut,
    through_palette,
    with_rising_grey,
)
from medseg.data.image import Image, from_lps, with_kept_dtype
from medseg.errors import RejectedFileError

PIXEL_SIZES = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")  # the calibrated one first


def picture_image(dataset: Dataset, stored: NDArray, path: Path, rgb: bool) -> Image:
    """A picture as 3 colour channels (``rgb``) or one channel of grey or luminance; 1 mm pixels if no size is given.

    Args:
        stored: (rows, columns) grey values or palette indices, or (rows, columns, 3) colours.

    Raises:
        RejectedFileError: ``rescale_of``'s codes, ``multi-frame``, ``unsupported-pixels``.
    """
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        reason = f"{frames} frames that have no place in the patient; need a single picture"
        raise RejectedFileError("multi-frame", reason, path)
    affine = _affine(dataset, path)
    placed = [from_lps(plane.T[:, :, None], affine) for plane in _planes(stored, dataset, rgb, path)]
    return Image(with_kept_dtype(np.stack([array for array, _ in placed])), placed[0][1])


def _planes(stored: NDArray, dataset: Dataset, rgb: bool, path: Path) -> list[NDArray]:
    if dataset.PhotometricInterpretation == PALETTE:
        stored = through_palette(stored, dataset, path)
    if stored.ndim == 3:
        return list(np.moveaxis(stored, 2, 0)) if rgb else [luminance(stored)]
    return [_grey(stored, dataset, path)] * (3 if rgb else 1)


def _grey(stored: NDArray, dataset: Dataset, path: Path) -> NDArray:
    if has_lut(dataset):
        return through_lut(stored, dataset, path)
    stored = with_rising_grey(stored, dataset)
    rescale = rescale_of(dataset, path)
    if (rescale.slope, rescale.intercept) == (1, 0):
        return stored
    volume = Volume(1, (stored.shape[0], stored.shape[1]), (False, False, False))
    volume.put(0, stored, rescale)
    return np.asarray(volume.array[0])


def _affine(dataset: Dataset, path: Path) -> NDArray[np.float64]:
    """As radiographs are shown, columns run to the patient's left and rows downwards."""
    for keyword in PIXEL_SIZES:
        if dataset.get(keyword):
            row_mm, column_mm = numbers(dataset, keyword, 2, "missing-spacing", path).tolist()
            if min(row_mm, column_mm) > 0 and max(row_mm, column_mm) <= LARGEST_SPACING_MM:
                return np.diag([column_mm, row_mm, 1.0, 1.0])
    return np.eye(4)
