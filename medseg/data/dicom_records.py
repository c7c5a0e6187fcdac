"""What is kept of a file's header: what it is, where its slices lie and what it refers to, all without identity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset

from medseg.artifacts import Modality
from medseg.data.burned_in import burned_in
from medseg.data.deidentify import identifying_values, patient_identity
from medseg.data.dicom import DAMAGED, Header, check_header, class_of, is_dicom, shape_of, text
from medseg.data.dicom_frames import frame_planes
from medseg.data.dicom_geometry import Plane, plane_of
from medseg.data.dicom_headers import HeaderReader
from medseg.data.dicom_kinds import Kind, kind_of, modality_of, name_of
from medseg.data.dicom_pixels import check_pixels
from medseg.data.dicom_seg import segment_names
from medseg.data.pseudonyms import Pseudonyms
from medseg.data.rtstruct import roi_names
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


@dataclass(frozen=True)
class Owner:
    """Whose a file is, as pseudonyms.

    Attributes:
        series, instance, frame_of_reference: digests of UIDs, empty where there are none.
    """

    patient: str = ""
    series: str = ""
    instance: str = ""
    frame_of_reference: str = ""


@dataclass(frozen=True)
class Record:
    """What is kept of a file.

    Attributes:
        kind: ``other`` is no DICOM, ``none`` DICOM that is no scan.
        code, reason: why it cannot be taken; empty where it can.
        burned_in: why its pixels may show who the patient is; empty where they do not.
        planes: of a slice, or of every frame.
        series, instances: digests of what a reference refers to.
        names: number to class name of its segments or regions of interest.
    """

    kind: Kind | str
    code: str = ""
    reason: str = ""
    owner: Owner = Owner()
    modality: Modality | str = ""
    burned_in: str = ""
    planes: tuple[Plane, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    names: dict[int, str] = field(default_factory=dict)


def owner_of(dataset: Dataset, pseudonyms: Pseudonyms) -> Owner:
    """Whose a data set is.

    Raises:
        one of ``DAMAGED``.
    """
    series = text(dataset, "SeriesInstanceUID")
    return Owner(
        pseudonyms.patient(patient_identity(dataset) or series),
        _digest(pseudonyms, series),
        _digest(pseudonyms, text(dataset, "SOPInstanceUID")),
        _digest(pseudonyms, text(dataset, "FrameOfReferenceUID")),
    )


def _digest(pseudonyms: Pseudonyms, uid: str) -> str:
    return pseudonyms.digest("uid", uid) if uid else ""


def secret_of(pseudonyms: Pseudonyms, value: str) -> str:
    """Pseudonym of what parts repeats, such as a time; empty for nothing."""
    return pseudonyms.digest("repeat", value, length=8) if value else ""


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

    def record(self, name: str, size: int) -> Record:
        """What is kept of a file; whatever is wrong with it is told by its code."""
        path = Path(name)
        try:
            with self._source.open(name) as file:
                return self._record(file, size, path)
        except RejectedFileError as error:
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
        self.identities |= identifying_values(header.fresh)
        try:
            return self._sorted(header, size, path)
        except DAMAGED as error:
            reason = f"header is damaged ({type(error).__name__})"
            raise RejectedFileError("unreadable-dicom", reason, path) from None

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
        kind = tuple(text(dataset, keyword) for keyword in ECHO)
        repeat = tuple(self._secret(text(dataset, keyword)) for keyword in REPEATS)
        return replace(record, planes=(plane_of(dataset, (rows, columns), path, kind, repeat),))

    def _reference(self, record: Record, header: Header, size: int, path: Path) -> Record:
        dataset = header.dataset
        segments = record.kind == "segments"
        series, instances = _segment_targets(dataset) if segments else _contour_targets(dataset)
        record = replace(
            record,
            series=tuple(sorted({_digest(self._pseudonyms, uid) for uid in series})),
            instances=tuple(sorted({_digest(self._pseudonyms, uid) for uid in instances})),
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
