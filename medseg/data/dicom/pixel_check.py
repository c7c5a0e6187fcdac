"""What the header of a DICOM file promises of its pixels, checked without reading them."""

from __future__ import annotations

import math
from pathlib import Path

from pydicom.dataset import Dataset

from medseg.data.dicom.header import DAMAGED, Header, shape_of
from medseg.data.dicom.scan import UNDEFINED_LENGTH
from medseg.errors import RejectedFileError

PIXEL_DATA = 0x7FE00010
IMAGE_GROUP = 0x0028
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
PALETTE = "PALETTE COLOR"
_SOP_CLASS = frozenset({0x00080016})


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
    _check_length(header, math.prod(shape) * samples * allocated, size, path)


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
        stored = int(dataset.get("BitsStored") or allocated)
        high = stored - 1 if dataset.get("HighBit") is None else int(dataset.HighBit)
        colours = str(dataset.PhotometricInterpretation)
    except DAMAGED:
        raise RejectedFileError("unreadable-dicom", "does not say how its pixels are stored", path) from None
    known = colours in GREY or colours == PALETTE if samples == 1 else samples == 3 and colours in COLOURS
    if not known:
        raise RejectedFileError("unsupported-pixels", f"{samples} samples per pixel of this colour space", path)
    if allocated not in (1, 8, 16, 32) or not 1 <= stored <= allocated or high != stored - 1:
        reason = f"{stored} of {allocated} bits stored, the highest is {high}: need the lowest of 1, 8, 16 or 32"
        raise RejectedFileError("unsupported-pixels", reason, path)
    return samples, allocated


def same_pixels(header: Header, last: Header, size: int) -> bool:
    """Whether a header says the same of its pixels as the one before, and the file is long enough for them."""
    return (
        header.keeps(_SOP_CLASS, (IMAGE_GROUP,))
        and (header.pixel_tag, header.pixel_length) == (last.pixel_tag, last.pixel_length)
        and header.pixel_length != UNDEFINED_LENGTH
        and header.pixel_start + header.pixel_length <= size
    )
