"""De-identification of DICOM data sets by the Basic Profile of PS3.15 Annex E and some of its options."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydicom import DataElement, Dataset
from pydicom.config import IGNORE
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import UID

from medseg.config import DeidentifyConfig
from medseg.data.deidentification.facts import CHARACTERISTICS as CHARACTERISTIC_FACTS
from medseg.data.deidentification.facts import facts, technical_facts
from medseg.data.deidentification.identifying import LONGEST_TEXT, TEXT_VRS, identifying_values
from medseg.data.deidentification.identities import finder
from medseg.data.deidentification.profile import (
    ACTIONS,
    BIRTH,
    CHARACTERISTICS,
    CODES,
    DATES,
    DUMMIES,
    EDITION,
    Action,
    action,
)
from medseg.data.deidentification.pseudonyms import Pseudonyms

__all__ = ["Deidentified", "Deidentifier", "identifying_values", "patient_identity", "profile_name", "technical_facts"]

STANDARD_UIDS = "1.2.840.10008."


def profile_name(config: DeidentifyConfig) -> str:
    """The profile, its edition and the options, for the audit record."""
    options = "; ".join(CODES[code] for code in _codes(config)[1:]) or "no options"
    return f"DICOM PS3.15 {EDITION} Annex E, {CODES['113100']} (113100); {options}"


def _codes(config: DeidentifyConfig) -> list[str]:
    chosen = {
        "113101": bool(config.mask_regions),
        "113107": config.longitudinal_dates,
        "113108": config.patient_characteristics,
    }
    return ["113100", *(code for code, on in chosen.items() if on)]


def patient_identity(dataset: Dataset) -> str:
    """What tells patients apart: PatientID, else name and date of birth, else the study's UID; empty without these."""
    for keywords in (("PatientID",), ("PatientName", "PatientBirthDate"), ("StudyInstanceUID",)):
        text = "|".join(_text(dataset, keyword) for keyword in keywords)
        if text.strip("|"):
            return text
    return ""


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        value = dataset.get(keyword)
    except Exception:  # a damaged element: pydicom lets whatever it meets through
        return ""
    return str(value).strip(" \0") if value is not None else ""


@dataclass(frozen=True)
class Deidentified:
    """A data set without identities.

    Attributes:
        dataset: a copy; the pixels are those of the original, to be blanked by ``burned_in.blank``.
        removed: attribute, with the sequences it lies in, to what was done: ``removed``, ``emptied``, ``replaced``,
            ``remapped`` or ``shifted``; private ones by group. Holds no value.
    """

    dataset: Dataset
    removed: dict[str, str]


class Deidentifier:
    """De-identifies data sets under one key; may be handed to other processes."""

    def __init__(self, config: DeidentifyConfig, pseudonyms: Pseudonyms) -> None:
        self.config = config
        self.pseudonyms = pseudonyms

    def apply(self, dataset: Dataset) -> Deidentified:
        """A de-identified copy; whatever cannot be read or is not in the dictionary is removed, nothing is raised."""
        return _Pass(self.config, self.pseudonyms, dataset).run()

    def facts(self, dataset: Dataset) -> dict[str, str]:
        """Technical facts and, with the options, the patient's sex, age, size, weight and the shifted time of study.

        The time is written as ``2019-03-04T10:22:31``: unlike a bare date it is no one's date of birth to the search.
        """
        found = technical_facts(dataset)
        if self.config.patient_characteristics:
            found |= facts(dataset, CHARACTERISTIC_FACTS)
        if self.config.longitudinal_dates:
            digits = (_text(dataset, "StudyDate") + _text(dataset, "StudyTime")[:6].ljust(6, "0"))[:14]
            try:
                moment = datetime.strptime(digits, "%Y%m%d%H%M%S")
                found["study_time"] = (moment + self._shift(dataset)).isoformat()
            except (ValueError, OverflowError):
                pass
        return found

    def _shift(self, dataset: Dataset) -> timedelta:
        return timedelta(days=self.pseudonyms.days(patient_identity(dataset)))


class _Pass:
    """One walk through one data set."""

    def __init__(self, config: DeidentifyConfig, pseudonyms: Pseudonyms, dataset: Dataset) -> None:
        self.config = config
        self.pseudonyms = pseudonyms
        self.source = dataset
        identity = patient_identity(dataset)
        self.patient = pseudonyms.patient(identity)
        self.shift = timedelta(days=pseudonyms.days(identity))
        self.find = finder(identifying_values(dataset))
        self.removed: dict[str, str] = {}

    def run(self) -> Deidentified:
        result = self._copy(self.source, "")
        result.set_original_encoding(*self.source.original_encoding)
        result.SpecificCharacterSet = "ISO_IR 192"
        result.PatientName = result.PatientID = self.patient
        self.removed |= {"PatientName": "replaced", "PatientID": "replaced"}
        result.PatientIdentityRemoved = "YES"
        result.DeidentificationMethod = [CODES[code] for code in _codes(self.config)]
        result.DeidentificationMethodCodeSequence = [_code_item(code) for code in _codes(self.config)]
        result.LongitudinalTemporalInformationModified = "MODIFIED" if self.config.longitudinal_dates else "REMOVED"
        result.file_meta = self._meta()
        result.preamble = b"\0" * 128
        return Deidentified(result, dict(sorted(self.removed.items())))

    def _copy(self, source: Dataset, path: str) -> Dataset:
        result = Dataset()
        for tag in sorted(source.keys()):
            name = path + (keyword_for_tag(tag) or (f"({tag.group:04X},xxxx)" if tag.is_private else str(tag)))
            try:
                element = source[tag]
                kept = self._element(element, self._action(int(tag), element.VR), name)
                if kept is not None:
                    result.add(kept)
            except Exception:  # a damaged element: pydicom lets whatever it meets through
                self.removed[name] = "removed"
        return result

    def _action(self, tag: int, vr: str) -> Action | Literal["shifted"]:
        """The profile's action with the options of the recipe."""
        if self.config.patient_characteristics and tag in CHARACTERISTICS:
            return "kept"
        if self.config.longitudinal_dates and vr in DATES and tag in ACTIONS and tag not in BIRTH:
            return "kept" if vr == "TM" else "shifted"
        return action(tag, vr)

    def _element(self, element: DataElement, what: Action | Literal["shifted"], name: str) -> DataElement | None:
        """An element as it may stay, or None; what was done is noted under its name."""
        if element.VR == "SQ" and what == "kept":
            return DataElement(element.tag, "SQ", [self._copy(item, f"{name}.") for item in element.value])
        if what == "kept":
            if not self._tells(element):
                return copy.copy(element)
            what = "removed"
        self.removed[name] = what
        if what == "removed":
            return None
        return DataElement(element.tag, element.VR, self._new_value(element, what), validation_mode=IGNORE)

    def _tells(self, element: DataElement) -> bool:
        """Whether a value that the profile keeps holds an identity of this data set, or more than a value does."""
        if element.VR not in (*TEXT_VRS, "CS"):
            return element.VR == "PN"
        text = str(element.value)
        if len(text) > LONGEST_TEXT:
            return True
        return bool(self.find(text.encode("utf-8", "replace"), True))

    def _new_value(self, element: DataElement, what: str) -> Any:
        value = element.value
        if what == "emptied":
            return [] if element.VR == "SQ" else None
        if what == "replaced":
            return DUMMIES.get(element.VR, b"\0\0")
        values = [one for one in (value if isinstance(value, MultiValue | list) else [value]) if one]
        return [self._moved(one, element.VR) if what == "shifted" else self._uid(str(one)) for one in values]

    def _moved(self, value: Any, vr: str) -> str:
        """A date or the date of a date and time, moved by the patient's days.

        Raises:
            ValueError: it is no date; the element is removed then.
        """
        text = str(value).replace(".", "") if vr == "DA" else str(value)
        moved = datetime.strptime(text[:8], "%Y%m%d") + self.shift
        return moved.strftime("%Y%m%d") + text[8:]

    def _uid(self, uid: str) -> str:
        """UIDs of the standard itself, such as coordinate systems that many share, stay."""
        return uid if uid.startswith(STANDARD_UIDS) else self.pseudonyms.uid(uid)

    def _meta(self) -> FileMetaDataset:
        result = FileMetaDataset()
        for element in self._elements_of(getattr(self.source, "file_meta", None)):
            if element.keyword in ("MediaStorageSOPClassUID", "TransferSyntaxUID", "FileMetaInformationVersion"):
                result.add(copy.copy(element))
            elif element.keyword == "MediaStorageSOPInstanceUID":
                result.MediaStorageSOPInstanceUID = UID(self._uid(str(element.value)))
                self.removed[f"file meta {element.keyword}"] = "remapped"
            elif element.tag.element:
                self.removed[f"file meta {element.keyword or element.tag}"] = "removed"
        return result

    @staticmethod
    def _elements_of(meta: Dataset | None) -> Iterator[DataElement]:
        if meta is None:
            return
        for tag in sorted(meta.keys()):
            with suppress(Exception):  # a damaged element: pydicom lets whatever it meets through
                yield meta[tag]


def _code_item(code: str) -> Dataset:
    item = Dataset()
    item.CodeValue = code
    item.CodingSchemeDesignator = "DCM"
    item.CodeMeaning = CODES[code]
    return item
