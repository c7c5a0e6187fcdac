"""What is kept of a DICOM file: what it is, whose, where its slices lie and what it refers to, without identity."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from medseg.artifacts import Modality
from medseg.data.deidentification.deidentify import patient_identity
from medseg.data.deidentification.pseudonyms import Pseudonyms
from medseg.data.dicom.geometry import Plane
from medseg.data.dicom.header import text
from medseg.data.dicom.kinds import Kind


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
        digest_of(pseudonyms, series),
        digest_of(pseudonyms, text(dataset, "SOPInstanceUID")),
        digest_of(pseudonyms, text(dataset, "FrameOfReferenceUID")),
    )


def digest_of(pseudonyms: Pseudonyms, uid: str) -> str:
    """Pseudonym of a UID; empty for none."""
    return pseudonyms.digest("uid", uid) if uid else ""


def secret_of(pseudonyms: Pseudonyms, value: str) -> str:
    """Pseudonym of what parts repeats, such as a time; empty for nothing."""
    return pseudonyms.digest("repeat", value, length=8) if value else ""
