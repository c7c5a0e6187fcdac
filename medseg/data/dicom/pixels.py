"""The stored values of DICOM files: decoded, or read as they are where they are plain numbers."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medseg.data.dicom.header import DAMAGED, Header, check_header, shape_of
from medseg.data.dicom.headers import HeaderReader
from medseg.data.dicom.pixel_check import PIXEL_DATA, check_pixels, same_pixels
from medseg.data.dicom.scan import UNDEFINED_LENGTH
from medseg.errors import RejectedFileError

ITEM, SEQUENCE_END = 0xE000FFFE, 0xE0DDFFFE  # as read in one piece, little endian
SIMPLE_SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)


class PixelReader:
    """Reads header and stored values of files, one after the other; what they share is parsed and checked once."""

    def __init__(self) -> None:
        self._headers = HeaderReader()
        self._last: Header | None = None
        self._plain: _Plain | None = None

    def read(self, path: Path) -> tuple[Header, NDArray]:
        """Header and stored values of a file.

        Returns:
            (rows, columns) or (frames, rows, columns) native integers, with a last axis of 3 where pixels are colours,
            which are RGB then; indices where they are in a palette.

        Raises:
            RejectedFileError: those of ``read_header``, ``check_header`` and ``check_pixels``; ``undecodable-pixels``.
        """
        with _opened(path) as (file, size):
            header = self._headers.read(file, path)
            if not self._last or not same_pixels(header, self._last, size):
                self._last = None
                check_header(header, path)
                check_pixels(header, size, path)
                self._plain = _plain(header, path)
            self._last = header
            if self._plain:
                file.seek(header.pixel_start)
                return header, self._plain.values(file)
            return header, _decoded(_with_pixels(header, file, path), path)


def read_whole(path: Path) -> Dataset:
    """A data set with its pixels, to be decoded frame by frame.

    Raises:
        RejectedFileError: ``read_header``'s and ``check_pixels``' codes.
    """
    with _opened(path) as (file, size):
        header = HeaderReader().read(file, path)
        check_header(header, path)
        check_pixels(header, size, path)
        return _with_pixels(header, file, path)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The file and its size in bytes."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size == 0:
                raise RejectedFileError("empty-file", "has 0 bytes", path)
            yield file, size
    except OSError as error:
        raise RejectedFileError("unreadable-file", f"cannot be read: {error.strerror}", path) from None


def _with_pixels(header: Header, file: BinaryIO, path: Path) -> Dataset:
    """The whole data set, whose pixels pydicom can decode."""
    if header.pixel_start < 0:
        file.seek(0)
        return dcmread(file)
    file.seek(header.pixel_start)
    fragments = header.pixel_length == UNDEFINED_LENGTH
    value = file.read(-1 if fragments else header.pixel_length)
    if fragments:
        _check_fragments(value, path)
    dataset = Dataset(dict(header.dataset.items()))  # a copy of pydicom shares its elements with the original
    implicit, little = header.dataset.original_encoding
    dataset.set_original_encoding(implicit, little, header.dataset.original_character_set)
    dataset.file_meta = header.dataset.file_meta
    dataset[PIXEL_DATA] = DataElement(
        PIXEL_DATA, header.pixel_representation or "OW", value, is_undefined_length=fragments, already_converted=True
    )
    return dataset


@dataclass(frozen=True)
class _Plain:
    """Uncompressed grey values, which need no decoder: half of the time of pydicom's.

    Attributes:
        bits: stored ones of each value.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    bits: int

    def values(self, file: BinaryIO) -> NDArray:
        """The values that begin at the place of the file."""
        values = np.fromfile(file, self.dtype, math.prod(self.shape))
        unused = 8 * self.dtype.itemsize - self.bits
        if unused and _exceeds(values, self.bits):  # old overlays lie in the unused bits
            np.left_shift(values, unused, out=values)
            np.right_shift(values, unused, out=values)
        return values.reshape(self.shape)


def _plain(header: Header, path: Path) -> _Plain | None:
    dataset = header.dataset
    allocated = int(dataset.BitsAllocated)
    one = int(dataset.get("SamplesPerPixel") or 1) == 1
    if header.transfer_syntax not in SIMPLE_SYNTAXES or not one or allocated not in (8, 16):
        return None
    frames, *size = shape_of(dataset, path)
    kind = "i" if int(dataset.get("PixelRepresentation") or 0) else "u"
    dtype = np.dtype(f"<{kind}{allocated // 8}")
    return _Plain(dtype, (frames, *size) if frames > 1 else tuple(size), int(dataset.get("BitsStored") or allocated))


def _exceeds(values: NDArray, bits: int) -> bool:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if values.dtype.kind == "i" else (0, 2**bits - 1)
    return bool(values.max() > high or values.min() < low)


def _check_fragments(value: bytes, path: Path) -> None:
    """Walk from item to item: decoders make pictures of streams that are cut short without saying so."""
    place = 0
    while place + 8 <= len(value):
        tag, length = struct.unpack_from("<II", value, place)
        place += 8
        if tag == SEQUENCE_END:
            return
        if tag != ITEM:
            break
        place += length
    raise RejectedFileError("truncated", "compressed pixels end before their last fragment does", path)


def _decoded(dataset: Dataset, path: Path) -> NDArray:
    try:
        values = pixel_array(dataset)
        frames, rows, columns = shape_of(dataset, path)
    except DAMAGED as error:
        reason = f"pixels cannot be decoded ({type(error).__name__})"
        raise RejectedFileError("undecodable-pixels", reason, path) from None
    expected = ((frames,) if frames > 1 else ()) + (rows, columns)
    if values.shape[: len(expected)] != expected:
        reason = f"pixels decode to shape {values.shape}, the header promises {expected}"
        raise RejectedFileError("undecodable-pixels", reason, path)
    return values
