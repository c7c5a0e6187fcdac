"""DICOM headers: read once, up to the pixels, and checked; damage is told by a code and without any value."""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from medseg.data.dicom.scan import MARKER, PREAMBLE, UNDEFINED_LENGTH
from medseg.errors import RejectedFileError

# Archives are full of small faults against the standard; telling each of them would repeat identifying values.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
warnings.filterwarnings("ignore", module="pydicom")
for _name in ("pydicom", "highdicom"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

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
    AssertionError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)

META_GROUP = b"\x02\x00\x00\x00UL"  # what a file begins with that lacks only the preamble
PIXEL_GROUP = 0x7FE0
PIXEL_TAGS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
LARGEST_SIDE = 2**15


@dataclass(frozen=True)
class Header:
    """Everything in front of the pixels of a file.

    Attributes:
        fresh: those of its elements that were not in the header read before; all of them where none was.
        changed: tags of ``fresh`` and of elements that only the header before had; None where there was none.
        pixel_tag: of the pixel data element, 0 where there is none.
        pixel_representation: OB or OW; empty where the transfer syntax does not say.
        pixel_length: bytes that it promises; ``UNDEFINED_LENGTH`` where it is in fragments.
        pixel_start: byte of the file at which its value begins; -1 where the file is deflated as a whole.
    """

    dataset: Dataset
    fresh: Dataset
    changed: frozenset[int] | None = None
    pixel_tag: int = 0
    pixel_representation: str = ""
    pixel_length: int = 0
    pixel_start: int = 0

    def keeps(self, tags: frozenset[int], groups: tuple[int, ...] = ()) -> bool:
        """Whether elements, and all of some groups, are those of the header read before."""
        if self.changed is None or not self.changed.isdisjoint(tags):
            return False
        return not any(tag >> 16 in groups for tag in self.changed)

    @property
    def transfer_syntax(self) -> UID:
        return UID(str(self.dataset.file_meta.get("TransferSyntaxUID", "")))


def is_dicom(file: BinaryIO) -> bool:
    """True where the file carries DICOM's marker, or begins as one whose preamble is missing."""
    start = file.read(PREAMBLE + len(MARKER))
    file.seek(0)
    return start[PREAMBLE:] == MARKER or start.startswith(META_GROUP)


def read_header(file: BinaryIO, path: Path) -> Header:
    """Read a file up to its pixels, as far as it goes.

    Raises:
        RejectedFileError: ``unreadable-dicom``.
    """
    stopped: list[tuple[int, str | None, int]] = []
    bare = file.read(len(META_GROUP)) == META_GROUP
    file.seek(0)

    def at_pixels(tag: int, representation: str | None, length: int) -> bool:
        if tag >> 16 == PIXEL_GROUP and int(tag) in PIXEL_TAGS:  # tags of pydicom compare slowly
            stopped.append((int(tag), representation, length))
        return bool(stopped)

    try:
        dataset = read_partial(file, at_pixels, force=bare)
        header = _header(dataset, file, *stopped[:1])
    except DAMAGED as error:
        raise RejectedFileError("unreadable-dicom", f"cannot be read as DICOM ({type(error).__name__})", path) from None
    return header


def _header(dataset: Dataset, file: BinaryIO, *stopped: tuple[int, str | None, int]) -> Header:
    if not stopped:
        return Header(dataset, dataset)
    tag, representation, length = stopped[0]
    if dataset.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return Header(dataset, dataset, None, tag, "", length, -1)
    # the reader goes back to the element's beginning: tag, representation and a length of 2 or, after 2 zeros, 4 bytes
    start = file.tell() + (12 if representation in EXPLICIT_VR_LENGTH_32 else 8)
    return Header(dataset, dataset, None, tag, representation or "", length, start)


def check_header(header: Header, path: Path) -> None:
    """Check that a header is whole and says what the file is.

    Raises:
        RejectedFileError: ``truncated``, ``unreadable-dicom``.
    """
    dataset = header.dataset
    last = next((element for _, element in reversed(list(dataset.items()))), None)
    if isinstance(last, RawDataElement) and last.value is not None and last.length != UNDEFINED_LENGTH:
        promised, there = last.length, len(last.value)
        if there < promised:
            raise RejectedFileError("truncated", f"the header ends {promised - there} bytes before its end", path)
    if not class_of(dataset):
        raise RejectedFileError("unreadable-dicom", "does not say which kind of object it is (SOPClassUID)", path)


def class_of(dataset: Dataset) -> str:
    """The SOP class; a directory of a medium has it in its file meta information only."""
    meta = getattr(dataset, "file_meta", None)
    named = str(dataset.get("SOPClassUID") or "") or str((meta and meta.get("MediaStorageSOPClassUID")) or "")
    return named if UID(named).is_valid else ""


def text(dataset: Dataset, keyword: str) -> str:
    """An attribute as text without padding; empty where it is absent.

    Raises:
        one of ``DAMAGED``.
    """
    value = dataset.get(keyword)
    if value is None:
        return ""
    return "/".join(map(str, value)) if isinstance(value, pydicom.multival.MultiValue) else str(value).strip(" \0")


def numbers(dataset: Dataset, keyword: str, count: int, code: str, path: Path) -> NDArray[np.float64]:
    """An attribute that holds ``count`` finite numbers.

    Raises:
        RejectedFileError: ``code``.
    """
    try:
        value = dataset.get(keyword)
        found = np.array([float(number) for number in (value if count > 1 else [value])], dtype=np.float64)
    except DAMAGED:
        found = np.zeros(0)
    if len(found) != count or not np.isfinite(found).all():
        raise RejectedFileError(code, f"{keyword} must hold {count} numbers, it holds {len(found)}", path)
    return found


def shape_of(dataset: Dataset, path: Path) -> tuple[int, int, int]:
    """Frames, rows and columns.

    Raises:
        RejectedFileError: ``unreadable-dicom``: one of them is missing or no size.
    """
    try:
        frames = int(dataset.get("NumberOfFrames") or 1)
        rows, columns = int(dataset.Rows), int(dataset.Columns)
    except DAMAGED:
        raise RejectedFileError("unreadable-dicom", "NumberOfFrames, Rows or Columns is not a number", path) from None
    if min(frames, rows, columns) < 1 or max(rows, columns) > LARGEST_SIDE:
        reason = f"{frames} frames of {rows} x {columns} pixels: each must be at least 1, sides at most {LARGEST_SIDE}"
        raise RejectedFileError("unreadable-dicom", reason, path)
    return frames, rows, columns


def open_header(path: Path) -> Header:
    """``read_header`` of a local file, checked.

    Raises:
        RejectedFileError: as there, ``empty-file``, or ``check_header``'s codes.
    """
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise RejectedFileError("empty-file", "has 0 bytes", path)
            file.seek(0, io.SEEK_SET)
            header = read_header(file, path)
            check_header(header, path)
            return header
    except OSError as error:
        raise RejectedFileError("unreadable-file", f"cannot be read: {error.strerror}", path) from None
