"""Headers one after the other: what a slice shares with the one before it is not decoded again."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from pydicom.dataelem import DataElement, RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from medseg.data.dicom.header import Header, read_header
from medseg.data.dicom.scan import UNDEFINED_LENGTH, Element, OverrunError, Scan, UnusualError, scan

FIRST_BYTES = 2**14
MOST_BYTES = 2**22
CHARACTER_SET = 0x00080005
OWN_META = (0x00020000, 0x00020003)  # length of the group and UID of the instance: of each file its own


class HeaderReader:
    """Reads headers; one that follows another of its series takes a third of pydicom's time.

    Only plain little-endian headers are compared, every other one is read by pydicom alone.
    """

    def __init__(self) -> None:
        self._bytes = FIRST_BYTES
        self._last: tuple[Scan, Header] | None = None

    def read(self, file: BinaryIO, path: Path) -> Header:
        """As ``read_header``; ``fresh`` of the result holds what differs from the header before.

        Raises:
            RejectedFileError: as there.
        """
        found = self._scan(file)
        header = self._like_last(found) if found else None
        if header is None:
            file.seek(0)
            self._last = None
            header = read_header(file, path)
        self._last = (found, header) if found else None
        return header

    def _scan(self, file: BinaryIO) -> Scan | None:
        while True:
            file.seek(0)
            data = file.read(self._bytes)
            whole = len(data) < self._bytes
            try:
                return scan(data, whole)
            except (OverrunError, struct.error):
                if whole or self._bytes >= MOST_BYTES:
                    return None
                self._bytes *= 4
            except (UnusualError, RecursionError):
                return None

    def _like_last(self, found: Scan) -> Header | None:
        """A header from the elements of the last one and those that differ; None where that is not safe."""
        if self._last is None or found.implicit != self._last[0].implicit:
            return None
        before, last = self._last
        if _without_own(found.meta) != _without_own(before.meta):
            return None
        differing = {tag: element for tag, element in found.elements.items() if before.elements.get(tag) != element}
        if CHARACTER_SET in differing or any(element.length == UNDEFINED_LENGTH for element in differing.values()):
            return None
        gone = before.elements.keys() - found.elements.keys()
        fresh: dict[BaseTag, DataElement | RawDataElement] = {
            _tag(tag): _raw(tag, element, found.implicit) for tag, element in differing.items()
        }
        elements = dict(last.dataset.items())
        for tag in gone:
            del elements[_tag(tag)]
        elements.update(fresh)
        whole, new = Dataset(elements), Dataset(fresh)
        for dataset in (whole, new):
            dataset.set_original_encoding(found.implicit, True, last.dataset.original_character_set)
        whole.file_meta = last.dataset.file_meta
        changed = frozenset(differing.keys() | gone)
        if found.pixels is None:
            return Header(whole, new, changed)
        tag, representation, length, start = found.pixels
        return Header(whole, new, changed, tag, representation.decode("ascii"), length, start)


def _without_own(meta: dict[int, Element]) -> dict[int, Element]:
    return {tag: element for tag, element in meta.items() if tag not in OWN_META}


@cache
def _tag(tag: int) -> BaseTag:
    """The same object each time: dictionaries find it by identity, where comparing tags of pydicom is slow."""
    return BaseTag(tag)


def _raw(tag: int, element: Element, implicit: bool) -> RawDataElement:
    representation = None if implicit else element.representation.decode("ascii")
    value: Any = element.value if element.length else empty_value_for_VR(representation, raw=True)
    return RawDataElement(_tag(tag), representation, element.length, value, 0, implicit, True)
