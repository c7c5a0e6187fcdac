"""Headers one after the other: what a slice shares with the one before it is not decoded again."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from pydicom.dataelem import DataElement, RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from medseg.data.dicom import Header, read_header
from medseg.data.dicom_scan import UNDEFINED_LENGTH, Element, OverrunError, Scan, UnusualError, scan

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
        if found.meta.keys() != before.meta.keys() or any(
            element.value != before.meta[tag].value for tag, element in found.meta.items() if tag not in OWN_META
        ):
            return None
        known = dict(last.dataset.items())
        elements: dict[BaseTag, DataElement | RawDataElement] = {}
        fresh: dict[BaseTag, DataElement | RawDataElement] = {}
        for tag, element in found.elements.items():
            same = before.elements.get(tag)
            key = BaseTag(tag)
            if same and same.value == element.value and same.representation == element.representation:
                elements[key] = known[key]
            elif tag == CHARACTER_SET or element.length == UNDEFINED_LENGTH:
                return None
            else:
                elements[key] = fresh[key] = _raw(key, element, found.implicit)
        return _header(elements, fresh, last, found)


def _header(elements: dict, fresh: dict, last: Header, found: Scan) -> Header:
    datasets = []
    for content in (elements, fresh):
        dataset = Dataset(content)
        dataset.set_original_encoding(found.implicit, True, last.dataset.original_character_set)
        datasets.append(dataset)
    datasets[0].file_meta = last.dataset.file_meta
    if found.pixels is None:
        return Header(*datasets)
    tag, pixels = found.pixels
    return Header(*datasets, tag, pixels.representation.decode("ascii"), pixels.length, pixels.start)


def _raw(tag: BaseTag, element: Element, implicit: bool) -> RawDataElement:
    representation = None if implicit else element.representation.decode("ascii")
    value = element.value if element.length else empty_value_for_VR(representation, raw=True)
    return RawDataElement(tag, representation, element.length, value, element.start, implicit, True)
