"""Headers of DICOM files become records; whatever is wrong with a file is told by its code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from medseg.data.deidentification.burned_in import burned_in
from medseg.data.deidentification.deidentify import identifying_values
from medseg.data.deidentification.pseudonyms import Pseudonyms
from medseg.data.dicom.frames import frame_planes
from medseg.data.dicom.geometry import PLACE_TAGS, moved, plane_of
from medseg.data.dicom.header import DAMAGED, Header, check_header, class_of, is_dicom, shape_of, text
from medseg.data.dicom.headers import HeaderReader
from medseg.data.dicom.kinds import kind_of, modality_of, name_of
from medseg.data.dicom.pixel_check import IMAGE_GROUP, check_pixels, same_pixels
from medseg.data.dicom.records import Record, digest_of, owner_of, secret_of
from medseg.data.dicom.rtstruct import roi_names
from medseg.data.dicom.seg import segment_names
from medseg.data.source import Source
from medseg.errors import RejectedFileError

ENDINGS = (".dcm", ".dicom", ".ima")  # a file that says so by its name must be DICOM
ECHO = ("EchoNumbers", "EchoTime", "ImageType")
REPEATS = (
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "TriggerTime",
    "DiffusionBValue",
    "InversionTime",
    "FlipAngle",
    "AcquisitionTime",
)


# Of one series all slices have these in common, and all of the groups of patient and image.
_OF_SERIES = PLACE_TAGS | {
    int(tag_for_keyword(keyword) or 0)
    for keyword in (
        *("SpecificCharacterSet", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
        *("Modality", *ECHO),
    )
}
_GROUPS = (0x0010, IMAGE_GROUP)
_REPEAT_TAGS = tuple(int(tag_for_keyword(keyword) or 0) for keyword in REPEATS)


class Clerk:
    """Reads headers one after the other.

    Attributes:
        identities: every identifying string that was met.
    """

    def __init__(self, source: Source, pseudonyms: Pseudonyms) -> None:
        self.identities: set[str] = set()
        self._source = source
        self._pseudonyms = pseudonyms
        self._headers = HeaderReader()
        self._last: tuple[Header, Record] | None = None  # a slice without fault

    def record(self, name: str, size: int) -> Record:
        """What is kept of a file; whatever is wrong with it is told by its code."""
        path = Path(name)
        try:
            with self._source.open(name) as file:
                return self._record(file, size, path)
        except RejectedFileError as error:
            self._last = None
            return Record("none", error.code, error.reason)
        except OSError as error:
            return Record("none", "unreadable-file", f"cannot be read ({type(error).__name__})")

    def _record(self, file: BinaryIO, size: int, path: Path) -> Record:
        named = path.name.lower().endswith(ENDINGS)
        if size == 0 and named:
            raise RejectedFileError("empty-file", "has 0 bytes", path)
        if not is_dicom(file):
            if named:
                raise RejectedFileError("unreadable-dicom", "has no DICOM marker after its first 128 bytes", path)
            return Record("other")
        header = self._headers.read(file, path)
        try:
            self.identities |= identifying_values(header.fresh)
            record = self._like_last(header, size, path) or self._sorted(header, size, path)
        except DAMAGED as error:
            self._last = None
            reason = f"header is damaged ({type(error).__name__})"
            raise RejectedFileError("unreadable-dicom", reason, path) from None
        self._last = (header, record) if record.kind == "slice" and not record.code else None
        return record

    def _like_last(self, header: Header, size: int, path: Path) -> Record | None:
        """The record of a slice that differs from the one before in place, time and instance only."""
        if not self._last or not header.keeps(_OF_SERIES, _GROUPS) or not same_pixels(header, self._last[0], size):
            return None
        record, dataset = self._last[1], header.dataset
        instance = digest_of(self._pseudonyms, text(dataset, "SOPInstanceUID"))
        try:
            plane = moved(record.planes[0], dataset, path, self._repeat(header, record.planes[0].repeat))
        except RejectedFileError:
            return None
        return replace(record, owner=replace(record.owner, instance=instance), planes=(plane,))

    def _repeat(self, header: Header, last: tuple[str, ...]) -> tuple[str, ...]:
        """What parts repeats; what is as in the header before is not made a pseudonym again."""
        changed = header.changed or frozenset()
        return tuple(
            self._secret(text(header.dataset, keyword)) if tag in changed else before
            for keyword, tag, before in zip(REPEATS, _REPEAT_TAGS, last, strict=True)
        )

    def _sorted(self, header: Header, size: int, path: Path) -> Record:
        dataset = header.dataset
        sop_class = class_of(dataset)
        kind = kind_of(sop_class)
        if not sop_class or not dataset.get("SeriesInstanceUID"):
            check_header(header, path)
        if kind is None:
            raise RejectedFileError("not-an-image", f"is a {name_of(sop_class)}, not a scan", path)
        owner = owner_of(dataset, self._pseudonyms)
        if not owner.series:
            raise RejectedFileError("unreadable-dicom", "does not say which series it is of", path)
        record = Record(kind, owner=owner)
        try:
            check_header(header, path)
            if kind in ("segments", "contours"):
                return self._reference(record, header, size, path)
            return self._image(record, header, size, path)
        except RejectedFileError as error:
            return replace(record, code=error.code, reason=error.reason)
        except DAMAGED as error:
            return replace(record, code="unreadable-dicom", reason=f"header is damaged ({type(error).__name__})")

    def _image(self, record: Record, header: Header, size: int, path: Path) -> Record:
        dataset = header.dataset
        colour = int(dataset.get("SamplesPerPixel") or 1) > 1 or "RedPaletteColorLookupTableData" in dataset
        record = replace(
            record,
            modality=modality_of(text(dataset, "Modality"), colour),
            burned_in=burned_in(dataset) or "",
        )
        check_pixels(header, size, path)
        frames, rows, columns = shape_of(dataset, path)
        if record.kind == "frames":
            planes = frame_planes(dataset, path, self._secret)
            return replace(record, planes=tuple(planes))
        if frames > 1:
            raise RejectedFileError("multi-frame", f"{frames} frames that have no place in the patient", path)
        if record.kind == "picture":
            return record
        if "LOCALIZER" in text(dataset, "ImageType").upper().split("/"):
            raise RejectedFileError("localizer", "is a localizer, drawn to plan other series", path)
        kind = tuple(self._secret(text(dataset, keyword)) for keyword in ECHO)
        repeat = tuple(self._secret(text(dataset, keyword)) for keyword in REPEATS)
        return replace(record, planes=(plane_of(dataset, (rows, columns), path, kind, repeat),))

    def _reference(self, record: Record, header: Header, size: int, path: Path) -> Record:
        dataset = header.dataset
        segments = record.kind == "segments"
        series, instances = _segment_targets(dataset) if segments else _contour_targets(dataset)
        record = replace(
            record,
            series=tuple(sorted({digest_of(self._pseudonyms, uid) for uid in series})),
            instances=tuple(sorted({digest_of(self._pseudonyms, uid) for uid in instances})),
        )
        try:
            if segments:
                check_pixels(header, size, path)
            names = segment_names(dataset, path) if segments else roi_names(dataset, path)
        except RejectedFileError as error:
            return replace(record, code=error.code, reason=error.reason)
        return replace(record, names=names)

    def _secret(self, value: str) -> str:
        return secret_of(self._pseudonyms, value)


def _segment_targets(dataset: Dataset) -> tuple[set[str], set[str]]:
    """UIDs of the series and instances that a DICOM SEG object was drawn on."""
    series, instances = set(), set()
    for reference in dataset.get("ReferencedSeriesSequence") or ():
        series.add(text(reference, "SeriesInstanceUID"))
        instances |= _instances(reference.get("ReferencedInstanceSequence") or ())
    if not instances:
        for group in dataset.get("PerFrameFunctionalGroupsSequence") or ():
            for derivation in group.get("DerivationImageSequence") or ():
                instances |= _instances(derivation.get("SourceImageSequence") or ())
    return series, instances


def _contour_targets(dataset: Dataset) -> tuple[set[str], set[str]]:
    """UIDs of the series that an RTSTRUCT object was drawn on, and of the instances that contours lie on."""
    series = {
        text(item, "SeriesInstanceUID")
        for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ()
        for study in frame.get("RTReferencedStudySequence") or ()
        for item in study.get("RTReferencedSeriesSequence") or ()
    }
    instances = {uid for contour in _contours(dataset) for uid in _instances(contour.get("ContourImageSequence") or ())}
    return series, instances


def _contours(dataset: Dataset) -> Iterator[Dataset]:
    for item in dataset.get("ROIContourSequence") or ():
        yield from item.get("ContourSequence") or ()


def _instances(items: Iterable[Dataset]) -> set[str]:
    return {text(item, "ReferencedSOPInstanceUID") for item in items}
