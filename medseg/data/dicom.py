"""One DICOM series as a volume: sorted, checked, rescaled; what would have to be invented is refused."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from medseg.artifacts import Modality
from medseg.data.image import Image, from_lps
from medseg.errors import RejectedFileError
from medseg.types import Affine

# Archives are full of small faults against the standard; telling each of them would repeat identifying values.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

GAP_TOLERANCE = 0.05  # part of the slice spacing by which gaps may differ
GAP_TOLERANCE_MM = 0.02  # rounding of positions in the header
TILT_TOLERANCE_DEGREES = 0.5
DUPLICATE_TOLERANCE_MM = 1e-3

# What pydicom and its decoders raise on damaged files; they have no common parent.
DAMAGED = (
    InvalidDicomError,
    BytesLengthException,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
)

MODALITIES: dict[str, Modality] = {
    "CT": "ct",
    "MR": "mr",
    "US": "ultrasound",
    **dict.fromkeys(("CR", "DX", "RX", "RF", "MG"), "xray"),
}


def is_dicom(path: Path) -> bool:
    """True where the file carries DICOM's marker after its preamble."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_header(path: Path, pixels: bool = False) -> Dataset:
    """Read a DICOM file, without its pixels unless asked for.

    Raises:
        RejectedFileError: ``unreadable-dicom``.
    """
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=not pixels)
        _ = dataset.SOPClassUID, dataset.SeriesInstanceUID  # decoded here, so that damage shows here
    except DAMAGED as error:
        raise RejectedFileError("unreadable-dicom", f"cannot be read as DICOM: {error}", path) from error
    return dataset


def plane(dataset: Dataset, path: Path) -> tuple[Affine, NDArray[np.float64]]:
    """Where a slice lies.

    Returns:
        4x4 LPS affine of (column, row, 0) with a unit third column, and the unit normal of the slice.

    Raises:
        RejectedFileError: ``missing-position``, ``missing-spacing``, ``bad-orientation``.
    """
    position = _numbers(dataset, "ImagePositionPatient", 3, "missing-position", path)
    orientation = _numbers(dataset, "ImageOrientationPatient", 6, "missing-position", path)
    row_mm, column_mm = _numbers(dataset, "PixelSpacing", 2, "missing-spacing", path)
    along_row, along_column = orientation[:3], orientation[3:]
    frame = np.array([along_row, along_column])
    if not np.allclose(frame @ frame.T, np.eye(2), atol=1e-3) or min(row_mm, column_mm) <= 0:
        raise RejectedFileError(
            "bad-orientation", f"orientation {orientation.tolist()}: need two unit vectors at a right angle", path
        )
    normal = np.cross(along_row, along_column)
    affine = np.eye(4)
    affine[:3, :] = np.column_stack([along_row * column_mm, along_column * row_mm, normal, position])
    return affine, normal


@dataclass(frozen=True)
class _Slice:
    """One decoded slice.

    Attributes:
        height_mm: its place along the normal.
        affine: as ``plane`` returns it.
        pixels: (rows, columns) int32 or float64 in the modality's unit.
        thickness_mm: what its header says about the third axis, 0 where it says nothing.
    """

    height_mm: float
    affine: Affine
    pixels: NDArray
    thickness_mm: float


def _read_slice(path: Path) -> _Slice:
    dataset = read_header(path, pixels=True)
    try:
        affine, normal = plane(dataset, path)
        thickness_mm = float(dataset.get("SpacingBetweenSlices") or dataset.get("SliceThickness") or 0)
        return _Slice(float(affine[:3, 3] @ normal), affine, _rescaled(dataset, path), thickness_mm)
    except DAMAGED as error:
        raise RejectedFileError("unreadable-dicom", f"header is damaged: {error}", path) from error


def read_series(paths: Sequence[Path]) -> Image:
    """Read the slices of one series, of one size and in any order, as one channel.

    Returns:
        int16 where the rescaled values are whole and fit, else float32.

    Raises:
        RejectedFileError: one of ``plane``'s or ``slice_step``'s codes, ``unreadable-dicom``, ``no-pixels``,
            ``unsupported-pixels``, ``multi-frame``.
    """
    slices = sorted((_read_slice(path) for path in paths), key=lambda found: found.height_mm)
    lowest = slices[0]
    affine = lowest.affine.copy()
    affine[:3, 2] = slice_step([found.affine[:3, 3] for found in slices], affine[:3, 2], lowest.thickness_mm)
    volume = np.stack([found.pixels.T for found in slices], axis=2)
    array, moved = from_lps(_smallest_dtype(volume), affine)
    return Image(array[None], moved)


def slice_step(
    positions: Sequence[NDArray[np.float64]], normal: NDArray[np.float64], thickness_mm: float
) -> NDArray[np.float64]:
    """The vector in LPS mm from one slice to the next, from positions sorted along the normal.

    Raises:
        RejectedFileError: ``duplicate-slice``, ``slice-gap``, ``gantry-tilt``, ``missing-spacing`` (a single slice
            that does not say how thick it is).
    """
    if len(positions) == 1:
        if thickness_mm <= 0:
            raise RejectedFileError("missing-spacing", "a single slice without SliceThickness has no third axis")
        return normal * thickness_mm
    along = np.array([float(position @ normal) for position in positions])
    gaps = np.diff(along)
    if gaps.min() < DUPLICATE_TOLERANCE_MM:
        at = along[int(gaps.argmin())]
        raise RejectedFileError("duplicate-slice", f"two slices of one series lie at {at:.2f} mm along the normal")
    usual = float(np.median(gaps))
    odd = np.abs(gaps - usual) > max(GAP_TOLERANCE * usual, GAP_TOLERANCE_MM)
    if odd.any():
        where = int(odd.argmax())
        raise RejectedFileError(
            "slice-gap",
            f"slices are {usual:.2f} mm apart, but {gaps[where]:.2f} mm between {along[where]:.2f} and "
            f"{along[where + 1]:.2f} mm along the normal",
        )
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    cosine = float(step @ normal) / float(np.linalg.norm(step))
    tilt = float(np.degrees(np.arccos(min(1.0, cosine))))
    if tilt > TILT_TOLERANCE_DEGREES:
        raise RejectedFileError("gantry-tilt", f"slices are sheared by {tilt:.1f} degrees against their normal")
    return step


def _numbers(dataset: Dataset, name: str, count: int, code: str, path: Path) -> NDArray[np.float64]:
    try:
        numbers = np.array([float(number) for number in dataset.get(name) or ()])
    except DAMAGED as error:
        raise RejectedFileError(code, f"{name} is not a list of numbers: {error}", path) from error
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise RejectedFileError(code, f"{name} must hold {count} numbers, it holds {len(numbers)}", path)
    return numbers


def _rescaled(dataset: Dataset, path: Path) -> NDArray:
    """(rows, columns) int32 or float64 in the modality's unit."""
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise RejectedFileError("multi-frame", "multi-frame objects are not read yet; need one file per slice", path)
    if int(dataset.get("SamplesPerPixel") or 1) > 1 or dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        raise RejectedFileError("unsupported-pixels", "pixels are colours; need one grey value per pixel", path)
    if dataset.get("ModalityLUTSequence"):
        raise RejectedFileError("unsupported-pixels", "a Modality LUT is not read yet; need slope and intercept", path)
    if "PixelData" not in dataset:
        raise RejectedFileError("no-pixels", "holds no pixel data", path)
    try:
        stored = dataset.pixel_array.astype(np.int32)
    except DAMAGED as error:
        raise RejectedFileError("no-pixels", f"pixels cannot be decoded: {error}", path) from error
    if dataset.PhotometricInterpretation == "MONOCHROME1":  # white is low: turn round within the stored range
        stored = (-1 if dataset.PixelRepresentation else 2 ** int(dataset.BitsStored) - 1) - stored
    slope, intercept = float(dataset.get("RescaleSlope") or 1), float(dataset.get("RescaleIntercept") or 0)
    if slope.is_integer() and intercept.is_integer():
        return stored * int(slope) + int(intercept)
    return stored * slope + intercept


def _smallest_dtype(volume: NDArray) -> NDArray:
    limits = np.iinfo(np.int16)
    fits = volume.dtype.kind == "i" and limits.min <= volume.min() and volume.max() <= limits.max
    return volume.astype(np.int16 if fits else np.float32)
