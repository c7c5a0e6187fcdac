"""The technical metadata that may be kept of an image: a whitelist, value by value checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydicom import Dataset

from medseg.data.deidentification.identifying import identifying_values
from medseg.data.deidentification.identities import finder
from medseg.data.deidentification.spellings import words
from medseg.data.deidentification.terms import BODY_PARTS, COMPANY, IMAGE_TYPES, MAKERS

LONGEST = 64
LONG_NUMBER = re.compile(r"\d{5}|\d{3,}[-/ ]\d{3,}")  # of a person or a telephone


def technical_facts(dataset: Dataset) -> dict[str, str]:
    """What is known of how an image was made; nothing of the patient, of dates, or of the place.

    Multi-frame objects are looked at in their shared functional groups too. A text in which one of the data set's own
    identifying values turns up is left out.
    """
    return facts(dataset, WHITELIST)


def facts(dataset: Dataset, whitelist: Mapping[str, tuple[str, Callable[[Any], str]]]) -> dict[str, str]:
    """Attributes by the name of their fact, each with the form that its value must have."""
    found: dict[str, str] = {}
    for name, (keyword, form) in whitelist.items():
        text = _value(dataset, keyword, form)
        if text:
            found[name] = text
    find = finder(identifying_values(dataset))
    return {name: text for name, text in found.items() if not find(text.encode("utf-8", "replace"), True)}


def _value(dataset: Dataset, keyword: str, form: Callable[[Any], str]) -> str:
    for part in _parts(dataset):
        try:
            value = part.get(keyword)
            text = form(value) if value is not None else ""
        except Exception:  # a damaged element: pydicom lets whatever it meets through
            continue
        if text:
            return text
    return ""


def _parts(dataset: Dataset) -> Iterator[Dataset]:
    yield dataset
    try:
        groups = dataset.get("SharedFunctionalGroupsSequence") or []
        for group in groups[:1]:
            yield from (element.value[0] for element in group if element.VR == "SQ" and element.value)
    except Exception:  # a damaged sequence: pydicom lets whatever it meets through
        return


def _code(value: Any) -> str:
    """A code string: capitals, digits, blank, underscore; several values as DICOM writes them."""
    text = "\\".join(str(one).strip() for one in (value if hasattr(value, "append") else [value]))
    return text if re.fullmatch(r"[A-Z0-9_ \\]{1,64}", text) else ""


def _number(value: Any) -> str:
    """A number; of several values, such as the echo times of a multi-echo sequence, all where they are numbers."""
    many = value if hasattr(value, "append") else [value]
    return "\\".join(f"{float(one):g}" for one in many)


def _words(value: Any) -> str:
    """A short printable text without anything like a number of a person or a telephone."""
    text = "\\".join(map(str, value)) if hasattr(value, "append") else str(value)
    text = " ".join(text.split())
    return text if text.isprintable() and len(text) <= LONGEST and not LONG_NUMBER.search(text) else ""


def _maker(value: Any) -> str:
    """A manufacturer's name, made of words that manufacturers' names are made of."""
    text = _words(value)
    known = set(words(text)) & MAKERS
    return text if known and set(words(text)) <= MAKERS | COMPANY else ""


def _body_part(value: Any) -> str:
    """One of the terms of PS3.16 Annex L that archives use."""
    return text if (text := _code(value).replace(" ", "")) in BODY_PARTS else ""


def _image_type(value: Any) -> str:
    """The values that say how an image was made; others may be anything."""
    return "\\".join(part for part in _code(value).split("\\") if part in IMAGE_TYPES)


WHITELIST: dict[str, tuple[str, Callable[[Any], str]]] = {
    "modality": ("Modality", _code),
    "manufacturer": ("Manufacturer", _maker),
    "model": ("ManufacturerModelName", _words),
    "body_part": ("BodyPartExamined", _body_part),
    "laterality": ("Laterality", _code),
    "image_laterality": ("ImageLaterality", _code),
    "view_position": ("ViewPosition", _code),
    "patient_position": ("PatientPosition", _code),
    "image_type": ("ImageType", _image_type),
    "photometric_interpretation": ("PhotometricInterpretation", _code),
    "lossy_compression": ("LossyImageCompression", _code),
    "scanning_sequence": ("ScanningSequence", _code),
    "sequence_variant": ("SequenceVariant", _code),
    "acquisition_type": ("MRAcquisitionType", _code),
    "magnetic_field_t": ("MagneticFieldStrength", _number),
    "echo_time_ms": ("EchoTime", _number),
    "effective_echo_time_ms": ("EffectiveEchoTime", _number),
    "repetition_time_ms": ("RepetitionTime", _number),
    "inversion_time_ms": ("InversionTime", _number),
    "flip_angle_degrees": ("FlipAngle", _number),
    "kvp": ("KVP", _number),
    "tube_current_ma": ("XRayTubeCurrent", _number),
    "exposure_mas": ("Exposure", _number),
    "kernel": ("ConvolutionKernel", _words),
    "slice_thickness_mm": ("SliceThickness", _number),
    "slice_spacing_mm": ("SpacingBetweenSlices", _number),
    "gantry_tilt_degrees": ("GantryDetectorTilt", _number),
}
CHARACTERISTICS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "patient_sex": ("PatientSex", _code),
    "patient_age": ("PatientAge", _code),
    "patient_size_m": ("PatientSize", _number),
    "patient_weight_kg": ("PatientWeight", _number),
}
