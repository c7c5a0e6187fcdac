"""Which kinds of DICOM objects there are for us: slices, multi-frame volumes, pictures, references, and the rest."""

from __future__ import annotations

from typing import Literal

from pydicom.uid import UID

from medseg.artifacts import Modality

Kind = Literal["slice", "frames", "picture", "segments", "contours"]

_STORAGE = "1.2.840.10008.5.1.4.1.1."

SLICES = {"2": "CT", "4": "MR", "128": "PET"}  # one file per slice, with a place in the patient
FRAMES = {
    "2.1": "Enhanced CT",
    "2.2": "Legacy Converted Enhanced CT",
    "4.1": "Enhanced MR",
    "4.3": "Enhanced MR Color",
    "4.4": "Legacy Converted Enhanced MR",
    "128.1": "Legacy Converted Enhanced PET",
    "130": "Enhanced PET",
    "6.2": "Enhanced US Volume",
    "13.1.1": "X-Ray 3D Angiographic",
    "13.1.2": "X-Ray 3D Craniofacial",
    "13.1.3": "Breast Tomosynthesis",
}
PICTURES = {
    "1": "Computed Radiography",
    "1.1": "Digital X-Ray",
    "1.1.1": "Digital X-Ray",
    "1.2": "Digital Mammography",
    "1.2.1": "Digital Mammography",
    "1.3": "Digital Intra-Oral X-Ray",
    "1.3.1": "Digital Intra-Oral X-Ray",
    "3": "Ultrasound Multi-frame",
    "3.1": "Ultrasound Multi-frame",
    "6": "Ultrasound",
    "6.1": "Ultrasound",
    "7": "Secondary Capture",
    "7.1": "Multi-frame Single Bit Secondary Capture",
    "7.2": "Multi-frame Grayscale Byte Secondary Capture",
    "7.3": "Multi-frame Grayscale Word Secondary Capture",
    "7.4": "Multi-frame True Color Secondary Capture",
    "12.1": "X-Ray Angiographic",
    "12.1.1": "Enhanced XA",
    "12.2": "X-Ray Radiofluoroscopic",
    "12.2.1": "Enhanced XRF",
    "20": "Nuclear Medicine",
    "77.1.1": "VL Endoscopic",
    "77.1.1.1": "Video Endoscopic",
    "77.1.2": "VL Microscopic",
    "77.1.2.1": "Video Microscopic",
    "77.1.3": "VL Slide-Coordinates Microscopic",
    "77.1.4": "VL Photographic",
    "77.1.4.1": "Video Photographic",
    "77.1.5.1": "Ophthalmic Photography 8 Bit",
    "77.1.5.2": "Ophthalmic Photography 16 Bit",
    "77.1.5.4": "Ophthalmic Tomography",
    "77.1.6": "VL Whole Slide Microscopy",
    "77.1.7": "Dermoscopic Photography",
}
REFERENCES: dict[str, Kind] = {"66.4": "segments", "66.7": "segments", "481.3": "contours"}
LABEL_MAP = f"{_STORAGE}66.7"

_MODALITIES: dict[str, Modality] = {
    "CT": "ct",
    "MR": "mr",
    "US": "ultrasound",
    **dict.fromkeys(("CR", "DX", "RX", "RF", "MG", "XA", "IO", "PX"), "xray"),
    **dict.fromkeys(("XC", "GM", "SM", "ES", "OP", "DMS"), "rgb"),
}


def kind_of(sop_class: str) -> Kind | None:
    """What an object of this SOP class is; None for what holds no scan, such as doses, plans and reports."""
    number = sop_class.removeprefix(_STORAGE)
    if number in SLICES:
        return "slice"
    if number in FRAMES:
        return "frames"
    return "picture" if number in PICTURES else REFERENCES.get(number)


def name_of(sop_class: str) -> str:
    """Name of a SOP class in the standard; its own words never reach a message."""
    uid = UID(sop_class)
    return uid.name.removesuffix(" Storage") if uid.name != sop_class else "object of an unknown kind"


def modality_of(modality: str, colour: bool) -> Modality:
    """Ours for DICOM's; pictures in colour that no scanner made are ``rgb``."""
    return _MODALITIES.get(modality.upper(), "rgb" if colour else "other")
