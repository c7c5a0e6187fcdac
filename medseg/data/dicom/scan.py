"""The elements of a little-endian DICOM header, found by walking from length to length; nothing is decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR

PREAMBLE = 128
MARKER = b"DICM"
META, PIXELS = 0x0002, 0x7FE0  # groups
TRANSFER_SYNTAX = 0x00020010
IMPLICIT, DEFLATED, BIG_ENDIAN = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.2"
UNDEFINED_LENGTH = 0xFFFFFFFF
Pixels = tuple[int, bytes, int, int]

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

_LONG = frozenset(vr.encode() for vr in EXPLICIT_VR_LENGTH_32)
_SHORT = frozenset(vr.encode() for vr in STANDARD_VR) - _LONG
_explicit = struct.Struct("<HH2sH").unpack_from
_implicit = struct.Struct("<HHL").unpack_from
_length = struct.Struct("<L").unpack_from


class UnusualError(Exception):
    """Something that this walk leaves to a complete reader."""


class OverrunError(UnusualError):
    """The bytes end before the header does."""


class Element(NamedTuple):
    """One element.

    Attributes:
        representation: two letters, empty in an implicit syntax.
        length: as written.
        value: bytes, of a sequence of undefined length with its delimiter.
    """

    representation: bytes
    length: int
    value: bytes


@dataclass(frozen=True)
class Scan:
    """The elements in front of the pixels, by tag.

    Attributes:
        pixels: tag, representation, length and start of the pixel data; None where the file ends without.
    """

    meta: dict[int, Element]
    elements: dict[int, Element]
    implicit: bool
    pixels: Pixels | None


def scan(data: bytes, whole: bool) -> Scan:
    """Walk over the beginning of a file.

    Args:
        whole: there are no more bytes than these.

    Raises:
        UnusualError: no plain little-endian header; ``OverrunError`` where more bytes may help.
        struct.error: as the latter, in the middle of an element.
    """
    if data[PREAMBLE : PREAMBLE + 4] != MARKER:
        raise UnusualError
    meta, _, place = _walk(data, PREAMBLE + 4, False, META, True)
    if TRANSFER_SYNTAX not in meta:
        raise UnusualError
    syntax = meta[TRANSFER_SYNTAX].value.rstrip(b" \0")
    if syntax in (DEFLATED, BIG_ENDIAN):
        raise UnusualError
    elements, pixels, _ = _walk(data, place, syntax == IMPLICIT, None, whole)
    return Scan(meta, elements, syntax == IMPLICIT, pixels)


def _walk(
    data: bytes, place: int, implicit: bool, group: int | None, whole: bool
) -> tuple[dict[int, Element], Pixels | None, int]:
    """Elements up to the pixels, or of one group only."""
    elements: dict[int, Element] = {}
    end = len(data)
    while place < end:
        high, low, representation, length, start = _head(data, place, implicit)
        if group is not None and high != group:
            break
        if high == PIXELS and low in (0x0008, 0x0009, 0x0010):
            return elements, (high << 16 | low, representation, length, start), place
        place = start + length if length != UNDEFINED_LENGTH else _end(data, start, length, representation, implicit)
        if place > end:
            raise OverrunError
        elements[high << 16 | low] = Element(representation, length, data[start:place])
    if group is None and not whole:
        raise OverrunError
    return elements, None, place


def _head(data: bytes, place: int, implicit: bool) -> tuple[int, int, bytes, int, int]:
    """Group, element, representation, length and start of the value."""
    if implicit:
        high, low, length = _implicit(data, place)
        return high, low, b"", length, place + 8
    high, low, representation, length = _explicit(data, place)
    if representation in _SHORT:
        return high, low, representation, length, place + 8
    if representation in _LONG:
        return high, low, representation, _length(data, place + 8)[0], place + 12
    if high == 0xFFFE:  # items and delimiters have a length, but no representation
        return high, low, b"", _length(data, place + 4)[0], place + 8
    raise UnusualError


def _end(data: bytes, start: int, length: int, representation: bytes, implicit: bool) -> int:
    if length != UNDEFINED_LENGTH:
        return start + length
    if representation not in (b"SQ", b""):
        raise UnusualError
    return _sequence_end(data, start, implicit)


def _sequence_end(data: bytes, place: int, implicit: bool) -> int:
    while True:
        high, low, length = _implicit(data, place)
        place += 8
        tag = high << 16 | low
        if tag == SEQUENCE_END:
            return place
        if tag != ITEM:
            raise UnusualError
        place = _item_end(data, place, implicit) if length == UNDEFINED_LENGTH else place + length


def _item_end(data: bytes, place: int, implicit: bool) -> int:
    while True:
        high, low, representation, length, start = _head(data, place, implicit)
        if high << 16 | low == ITEM_END:
            return start
        place = _end(data, start, length, representation, implicit)
