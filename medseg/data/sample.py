"""A synthetic cohort: CT of made-up patients, written as real DICOM series with DICOM SEG references."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medseg.data.phantom import ORGANS, Torso, make_torso
from medseg.errors import DataError

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription

# Two protocols, half of the patients each: columns, rows, slices and their size in mm along x, y, z.
PROTOCOLS = (((72, 56, 24), (5.0, 5.0, 6.0)), ((64, 48, 28), (6.0, 6.0, 5.0)))
RESCALE_INTERCEPT = -1024
DATE = "20200101"
TIME = "120000"
SEG_FILE = "organs.dcm"
_PARTIAL = ".partial"


@dataclass(frozen=True)
class Patient:
    """Everything about a patient that follows from cohort seed and number.

    Attributes:
        number: from 1.
        shape: columns, rows, slices.
        spacing_mm: along x, y, z.
    """

    seed: int
    number: int
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]

    @property
    def folder(self) -> str:
        return f"patient-{self.number:02d}"

    def uid(self, *parts: object) -> str:
        """The same UID for the same parts in every call."""
        return str(generate_uid(entropy_srcs=["medseg sample", str(self.seed), str(self.number), *map(str, parts)]))

    def files(self) -> set[str]:
        return {SEG_FILE} | {f"ct/slice-{index:03d}.dcm" for index in range(1, self.shape[2] + 1)}


def write_sample(folder: Path, patients: int = 16, seed: int = 0) -> None:
    """Write the cohort, or return at once where the folder holds it already; equal arguments give equal bytes.

    Raises:
        DataError: the folder holds other files, which would be ingested with it.
    """
    cohort = [Patient(seed, number, *PROTOCOLS[number % len(PROTOCOLS)]) for number in range(1, patients + 1)]
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f"patient-*{_PARTIAL}"):
        shutil.rmtree(leftover)
    strangers = sorted({entry.name for entry in folder.iterdir()} - {patient.folder for patient in cohort})
    if strangers:
        raise DataError(f"{folder}: holds {strangers[0]!r}, which is no part of this sample; give an empty folder")
    for patient in cohort:
        if not _is_complete(folder / patient.folder, patient):
            _write_patient(folder / patient.folder, patient)


def _is_complete(folder: Path, patient: Patient) -> bool:
    """True where all files of this very patient are there; another seed has other UIDs."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if found != patient.files():
        return False
    return patient.uid("ct", 1).encode() in (folder / "ct" / "slice-001.dcm").read_bytes()


def _write_patient(folder: Path, patient: Patient) -> None:
    """Write beside the final folder and rename, so that a killed run leaves no half patient behind."""
    partial = folder.with_name(folder.name + _PARTIAL)
    (partial / "ct").mkdir(parents=True)
    torso = make_torso(np.random.default_rng([patient.seed, patient.number]), patient.shape, patient.spacing_mm)
    slices = [_slice(patient, torso.hounsfield, index) for index in range(patient.shape[2])]
    for index, dataset in enumerate(slices, start=1):
        dataset.save_as(partial / "ct" / f"slice-{index:03d}.dcm", enforce_file_format=True)
    _segmentation(patient, torso, slices).save_as(partial / SEG_FILE, enforce_file_format=True)
    if folder.exists():
        shutil.rmtree(folder)
    partial.replace(folder)


def _slice(patient: Patient, hounsfield: NDArray[np.int16], index: int) -> Dataset:
    """One CT slice; ``hounsfield`` is (x, y, z) in LPS, and slices are numbered from feet to head."""
    columns, rows, slices = patient.shape
    dx, dy, dz = patient.spacing_mm
    dataset = _identity(patient)
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = patient.uid("ct", index + 1)
    dataset.SeriesInstanceUID = patient.uid("ct")
    dataset.SeriesNumber, dataset.AcquisitionNumber, dataset.InstanceNumber = 1, 1, index + 1
    dataset.SeriesDescription = "Synthetic torso"
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientPosition, dataset.BodyPartExamined = "HFS", "ABDOMEN"
    dataset.KVP, dataset.ConvolutionKernel = 120, "STANDARD"
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [-dx * (columns - 1) / 2, -dy * (rows - 1) / 2, dz * (index - (slices - 1) / 2)]
    dataset.SliceLocation = dataset.ImagePositionPatient[2]
    dataset.PixelSpacing, dataset.SliceThickness = [dy, dx], dz
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, RESCALE_INTERCEPT, "HU"
    dataset.WindowCenter, dataset.WindowWidth = 60, 400
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = rows, columns, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    stored = np.clip(hounsfield[:, :, index].T - RESCALE_INTERCEPT, 0, 4095).astype("<u2")
    dataset.PixelData = stored.tobytes()
    return dataset


def _identity(patient: Patient) -> Dataset:
    """Patient, study and equipment, plainly made up."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PatientName = f"Sample^Patient{patient.number:02d}"
    dataset.PatientID = f"SAMPLE-{patient.seed}-{patient.number:02d}"
    dataset.PatientBirthDate, dataset.PatientSex = "19000101", "O"
    dataset.StudyInstanceUID = patient.uid("study")
    dataset.FrameOfReferenceUID = patient.uid("frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.StudyID, dataset.AccessionNumber = "1", f"SAMPLE{patient.number:02d}"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = DATE
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = TIME
    dataset.ReferringPhysicianName = "Sample^Physician"
    dataset.Manufacturer, dataset.ManufacturerModelName = "medseg", "sample cohort"
    dataset.SoftwareVersions = "1"
    return dataset


def _segmentation(patient: Patient, torso: Torso, slices: list[Dataset]) -> Dataset:
    from highdicom.seg import Segmentation, SegmentationTypeValues

    result = Segmentation(
        source_images=slices,
        pixel_array=np.ascontiguousarray(torso.organs.transpose(2, 1, 0)),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(patient, number, name) for number, name in enumerate(ORGANS, start=1)],
        series_instance_uid=patient.uid("seg"),
        series_number=2,
        sop_instance_uid=patient.uid("seg", 1),
        instance_number=1,
        manufacturer="medseg",
        manufacturer_model_name="sample cohort",
        software_versions="1",
        device_serial_number="1",
        content_label="ORGANS",
    )
    _set_time(result)
    organization = patient.uid("dimensions")
    for item in (*result.DimensionOrganizationSequence, *result.DimensionIndexSequence):
        item.DimensionOrganizationUID = organization
    return result


def _set_time(result: Dataset) -> None:
    """Replace the present time, which highdicom writes, so that equal arguments give equal bytes."""
    for part in ("Content", "Series", "InstanceCreation"):
        setattr(result, f"{part}Date", DATE)
        setattr(result, f"{part}Time", TIME)
    for equipment in result.get("ContributingEquipmentSequence") or ():
        equipment.ContributionDateTime = DATE + TIME


def _description(patient: Patient, number: int, name: str) -> SegmentDescription:
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
    from highdicom.sr import CodedConcept

    meaning, code = ORGANS[name]
    return SegmentDescription(
        segment_number=number,
        segment_label=meaning,
        segmented_property_category=CodedConcept("123037004", "SCT", "Anatomical Structure"),
        segmented_property_type=CodedConcept(code, "SCT", meaning),
        algorithm_type=SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=patient.uid("segment", number),
        tracking_id=f"{name}-{patient.number:02d}",
    )
