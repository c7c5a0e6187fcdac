"""DICOM series to measure with: headers as scanners write them over pixels that compress as scans do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from scipy import ndimage

_HEADER = {
    "SpecificCharacterSet": "ISO_IR 100", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "SOPClassUID": CTImageStorage,
    "StudyDate": "20240102", "SeriesDate": "20240102", "AcquisitionDate": "20240102", "ContentDate": "20240102",
    "StudyTime": "101112", "SeriesTime": "101213", "AcquisitionTime": "101314", "ContentTime": "101415",
    "Modality": "CT", "Manufacturer": "SIEMENS", "InstitutionName": "Sankt-Anna-Klinikum",
    "ReferringPhysicianName": "Weber^Klara", "StationName": "CTAWP70777", "StudyDescription": "CT Abdomen",
    "BodyPartExamined": "ABDOMEN",
    "SeriesDescription": "Abdomen 1.5 B30f", "ManufacturerModelName": "SOMATOM Definition AS", "PatientSex": "F",
    "PatientBirthDate": "19600203", "PatientAge": "063Y", "SliceThickness": "1.5", "KVP": "120",
    "DeviceSerialNumber": "65432", "SoftwareVersions": "syngo CT 2012B", "ProtocolName": "AbdomenRoutine",
    "ReconstructionDiameter": "380", "GantryDetectorTilt": "0", "TableHeight": "150", "RotationDirection": "CW",
    "ExposureTime": "500", "XRayTubeCurrent": "200", "Exposure": "100", "ConvolutionKernel": "B30f",
    "PatientPosition": "HFS", "StudyID": "1", "SeriesNumber": "4", "AcquisitionNumber": "1", "BurnedInAnnotation": "NO",
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [0.75, 0.75], "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11,
    "PixelRepresentation": 0, "WindowCenter": "40", "WindowWidth": "400", "RescaleIntercept": "-1024",
    "RescaleSlope": "1", "RescaleType": "HU", "PositionReferenceIndicator": "",
}  # fmt: skip


def write_series(
    folder: Path, patient: int, slices: int, pixels: np.ndarray, syntax: str = ExplicitVRLittleEndian
) -> None:
    """One CT series of one patient; slice ``k`` shows ``pixels[k % len(pixels)]``, which are (rows, columns) uint16."""
    folder.mkdir(parents=True)
    shown = [_frame(picture, syntax) for picture in pixels]
    for number in range(slices):
        dataset = shown[number % len(shown)]
        _place(dataset, patient, number)
        dataset.save_as(folder / f"IM{number:05d}", enforce_file_format=True)


def noisy_slices(count: int, size: int) -> np.ndarray:
    """(count, size, size) uint16: organs of smooth values under the noise of a CT."""
    rng = np.random.default_rng(0)
    organs = ndimage.zoom(rng.normal(1050, 120, (count, 16, 16)), (1, size // 16, size // 16), order=1)
    return np.clip(organs + rng.normal(0, 12, organs.shape), 0, 4095).astype(np.uint16)


def _frame(picture: np.ndarray, syntax: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword, value in _HEADER.items():
        setattr(dataset, keyword, value)
    dataset.Rows, dataset.Columns = picture.shape
    dataset.PixelData = picture.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    if syntax != ExplicitVRLittleEndian:
        dataset.SOPInstanceUID = generate_uid()
        dataset.compress(syntax, generate_instance_uid=False)
    return dataset


def _place(dataset: Dataset, patient: int, number: int) -> None:
    dataset.PatientID, dataset.PatientName = f"MRN{patient:08d}", f"Muster^P{patient:06d}"
    dataset.AccessionNumber = f"A{patient:07d}"
    for level in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        setattr(dataset, level, generate_uid(entropy_srcs=[level, str(patient)]))
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["image", str(patient), str(number)])
    dataset.InstanceNumber = number + 1
    dataset.ImagePositionPatient = [-190, -190, 1.5 * number]
    dataset.SliceLocation = 1.5 * number
