"""The pixels of a DICOM file: decoded, checked against what the header promises, and in the modality's unit."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pydicom.pixels import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medseg.data.dicom import DAMAGED, Header, check_header, shape_of
from medseg.data.dicom_headers import HeaderReader
from medseg.data.dicom_scan import UNDEFINED_LENGTH
from medseg.errors import RejectedFileError

PIXEL_DATA = 0x7FE00010
ITEM, SEQUENCE_END = 0xE000FFFE, 0xE0DDFFFE  # as read in one piece, little endian
SIMPLE_SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
PALETTE = "PALETTE COLOR"


def check_pixels(header: Header, size: int, path: Path) -> None:
    """Check by the header alone that the pixels can be there; whether they can be decoded is seen when they are.

    Args:
        size: bytes of the whole file.

    Raises:
        RejectedFileError: ``no-pixels``, ``truncated``, ``pixel-length``, ``unsupported-pixels``, ``unreadable-dicom``.
    """
    shape = shape_of(header.dataset, path)
    if not header.pixel_tag:
        raise RejectedFileError("no-pixels", "ends without pixel data", path)
    if header.pixel_tag != PIXEL_DATA:
        raise RejectedFileError("unsupported-pixels", "pixels are floating-point numbers; need integers", path)
    syntax = header.transfer_syntax
    if not syntax.is_transfer_syntax or syntax.is_private:
        raise RejectedFileError("unreadable-dicom", "does not name a transfer syntax of the standard", path)
    samples, allocated = _layout(header.dataset, path)
    if header.pixel_length == UNDEFINED_LENGTH:
        if not syntax.is_encapsulated:
            raise RejectedFileError("unreadable-dicom", "pixels in fragments, but no syntax that has them", path)
        return
    if syntax.is_encapsulated:
        raise RejectedFileError("unreadable-dicom", "a compressed syntax, but pixels are not in fragments", path)
    _check_length(header, int(np.prod(shape, dtype=object)) * samples * allocated, size, path)


def _check_length(header: Header, bits: int, size: int, path: Path) -> None:
    if header.dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3
    needed = (bits + 7) // 8
    there = header.pixel_length
    if header.pixel_start > 0 and header.pixel_start + there > size:
        there = max(size - header.pixel_start, 0)
    if there < needed:
        raise RejectedFileError("truncated", f"the header promises {needed} bytes of pixels, {there} are there", path)
    frames = int(header.dataset.get("NumberOfFrames") or 1)
    if there >= needed + max(needed // frames, 2):
        raise RejectedFileError("pixel-length", f"{there} bytes of pixels, the header promises {needed}", path)


def _layout(dataset: Dataset, path: Path) -> tuple[int, int]:
    """Samples per pixel and bits per sample."""
    try:
        samples, allocated = int(dataset.get("SamplesPerPixel") or 1), int(dataset.BitsAllocated)
        stored, high = int(dataset.get("BitsStored") or allocated), dataset.get("HighBit")
        colours = str(dataset.PhotometricInterpretation)
    except DAMAGED:
        raise RejectedFileError("unreadable-dicom", "does not say how its pixels are stored", path) from None
    known = colours in GREY or colours == PALETTE if samples == 1 else samples == 3 and colours in COLOURS
    if not known:
        raise RejectedFileError("unsupported-pixels", f"{samples} samples per pixel of this colour space", path)
    if allocated not in (1, 8, 16, 32) or not 1 <= stored <= allocated or (high is not None and high != stored - 1):
        reason = f"{stored} of {allocated} bits stored, the highest is {high}: need the lowest of 1, 8, 16 or 32"
        raise RejectedFileError("unsupported-pixels", reason, path)
    return samples, allocated


def read_pixels(path: Path, headers: HeaderReader) -> tuple[Header, NDArray]:
    """Header and stored values of a file; the header is parsed once.

    Args:
        headers: knows the header that was read before.

    Returns:
        (rows, columns) or (frames, rows, columns) native integers, with a last axis of 3 where pixels are colours,
        which are RGB then; indices where they are in a palette.

    Raises:
        RejectedFileError: ``read_header``'s and ``check_pixels``' codes, ``undecodable-pixels``.
    """
    with _opened(path) as (file, size):
        header = headers.read(file, path)
        check_header(header, path)
        check_pixels(header, size, path)
        return header, _values(header, file, path)


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


def _values(header: Header, file: BinaryIO, path: Path) -> NDArray:
    if _is_simple(header):
        file.seek(header.pixel_start)
        return _plain_values(header, file, path)
    return _decoded(_with_pixels(header, file, path), path)


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
    dataset = header.dataset.copy()
    dataset.file_meta = header.dataset.file_meta
    dataset[PIXEL_DATA] = DataElement(
        PIXEL_DATA, header.pixel_representation or "OW", value, is_undefined_length=fragments, already_converted=True
    )
    return dataset


def _is_simple(header: Header) -> bool:
    """Uncompressed grey values, which need no decoder: half of the time of pydicom's."""
    dataset = header.dataset
    return (
        header.transfer_syntax in SIMPLE_SYNTAXES
        and int(dataset.get("SamplesPerPixel") or 1) == 1
        and int(dataset.BitsAllocated) in (8, 16)
    )


def _plain_values(header: Header, file: BinaryIO, path: Path) -> NDArray:
    frames, rows, columns = shape_of(header.dataset, path)
    dataset = header.dataset
    signed, allocated = int(dataset.get("PixelRepresentation") or 0), int(dataset.BitsAllocated)
    values = np.fromfile(file, f"<{'i' if signed else 'u'}{allocated // 8}", frames * rows * columns)
    unused = allocated - int(dataset.get("BitsStored") or allocated)
    if unused and _exceeds(values, allocated - unused, bool(signed)):  # old overlays lie in the unused bits
        np.left_shift(values, unused, out=values)
        np.right_shift(values, unused, out=values)
    return values.reshape((frames, rows, columns) if frames > 1 else (rows, columns))


def _exceeds(values: NDArray, bits: int, signed: bool) -> bool:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
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
