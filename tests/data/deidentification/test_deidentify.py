"""De-identified data sets hold no identity, in any byte and under any option, and stay consistent."""

from __future__ import annotations

import copy
import io
import pickle
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom import DataElement, Dataset
from pydicom.uid import UID, MRImageStorage

from medseg.config import DeidentifyConfig, RegionConfig
from medseg.data.deidentification.deidentify import Deidentifier, identifying_values, profile_name
from medseg.data.deidentification.pseudonyms import Pseudonyms

PSEUDONYMS = Pseudonyms(b"0123456789abcdef")
PLAIN = DeidentifyConfig()
ALL_OPTIONS = DeidentifyConfig(longitudinal_dates=True, patient_characteristics=True)
PLANTED = ["Müller", "Jörg", "MRN-0099123", "0099123", "19610203", "ALT-778", "A-55120", "555-0100", "Example", "Roe"]
IDENTIFYING = {
    "PatientID", "OtherPatientIDs", "PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers", "PatientComments",
    "AccessionNumber", "InstitutionName", "InstitutionAddress", "StudyDate", "SeriesDate", "AcquisitionDate",
    "ContentDate", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID",
    "DeviceSerialNumber",
}  # fmt: skip


def apply(dataset: Dataset, config: DeidentifyConfig = PLAIN) -> Dataset:
    return Deidentifier(config, PSEUDONYMS).apply(dataset).dataset


def written(dataset: Dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, implicit_vr=dataset.original_encoding[0], little_endian=dataset.original_encoding[1])
    return file.getvalue()


def holds(data: bytes, value: str) -> bool:
    """An independent search: the value as it is, in capitals and in small letters, in many encodings."""
    for text in {value, value.upper(), value.lower()}:
        for encoding in ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "iso2022_jp", "gb18030", "euc_kr", "shift_jis"):
            try:
                if text.encode(encoding) in data:
                    return True
            except UnicodeEncodeError:
                continue
    return False


def identities(dataset: Dataset) -> Iterator[str]:
    """Independently of the code under test: all names and what a few well-known attributes hold, nested ones too."""
    for keyword in [element.keyword for element in dataset if element.VR != "SQ"]:
        element = dataset[keyword] if keyword else None
        if element is None or element.value is None or (element.VR != "PN" and keyword not in IDENTIFYING):
            continue
        for part in re.split(r"[\\^=]", "\\".join(map(str, element.value)) if element.VM > 1 else str(element.value)):
            if len(part.strip()) >= 6 and part.strip() != "TOSHIBA":  # which is its manufacturer and its institution
                yield part.strip()
    for element in dataset:
        for item in element.value if element.VR == "SQ" else ():
            yield from identities(item)


@pytest.mark.parametrize("config", [PLAIN, ALL_OPTIONS])
def test_nothing_of_the_planted_identity_is_left_in_any_byte(config: DeidentifyConfig, shared_data: Path):
    dataset = pydicom.dcmread(shared_data / "odd/dicom/phi_planted.dcm")
    assert holds(written(dataset), "Müller")
    data = written(apply(dataset, config))
    assert [value for value in [*PLANTED, "20200119"] if holds(data, value)] == []


def test_nothing_is_left_of_any_header_however_odd(shared_data: Path):
    left, count = [], 0
    folders = ("dicom_misc", "dicom_misc_pydicom", "dicom_phi_named", "odd/dicom", "dicom_seg", "rtstruct")
    paths = [path for folder in folders for path in sorted((shared_data / folder).rglob("*.dcm"))]
    for path in paths:
        dataset = pydicom.dcmread(path, force=True)
        result = apply(copy.deepcopy(dataset))
        if "PixelData" in result:
            del result.PixelData
        data = written(result)
        searched = set(identities(dataset))
        count += len(searched)
        left += [(path.name, value) for value in searched if holds(data, value)]
    assert count > 1000
    assert left == []


def test_damaged_headers_raise_nothing_and_take_no_time(shared_data: Path):
    data = (shared_data / "odd/dicom/phi_planted.dcm").read_bytes()
    read = 0
    for seed in range(60):
        chance, damaged = random.Random(seed), bytearray(data)
        for _ in range(chance.randint(1, 40)):
            damaged[chance.randrange(140, 2400)] = chance.randrange(256)
        try:
            dataset = pydicom.dcmread(io.BytesIO(damaged), force=True)
        except Exception:  # those that pydicom cannot read are the reader's to refuse
            continue
        read += 1
        result = Deidentifier(ALL_OPTIONS, PSEUDONYMS).apply(dataset)
        assert result.dataset.PatientIdentityRemoved == "YES"
        assert len(Deidentifier(ALL_OPTIONS, PSEUDONYMS).facts(dataset)) < 30
    assert read > 20


def test_pixels_taken_for_names_are_no_identities():
    dataset = Dataset()
    dataset.add(DataElement(0x00100010, "PN", "\\".join(f"Name{number}^X" for number in range(9999))))
    assert identifying_values(dataset) == set()
    assert apply(dataset).PatientName.family_name.startswith("patient-")


def nested() -> Dataset:
    """Identities where they are overlooked: nested, private, curve, overlay, file meta, an attribute that stays."""
    item, reference = Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = MRImageStorage, "1.2.3.4"
    reference.add(DataElement(0x00091001, "LO", "Doe in a private tag"))
    item.OperatorsName, item.PatientID = "Doe^John", "MRN-7"
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.StudyInstanceUID = MRImageStorage, "1.2.3.4", "1.2.3"
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Doe^John", "MRN-7", "19610203"
    dataset.PatientSex, dataset.PatientWeight, dataset.EthnicGroup = "M", "80", "Doe"
    dataset.StudyDate, dataset.StudyTime, dataset.AcquisitionDateTime = "20200301", "101500", "20200301101500.5+0100"
    dataset.ReferencedImageSequence, dataset.RequestAttributesSequence = [reference], [item]
    dataset.ConvolutionKernel, dataset.SliceThickness = "Doe kernel", "2"
    dataset.add(DataElement(0x50000022, "LO", "Doe curve"))
    dataset.add(DataElement(0x60004000, "LT", "Doe overlay"))
    dataset.add(DataElement(0x60003000, "OW", b"Doe!"))
    dataset.add(DataElement(0x00091010, "UN", b"Doe"))
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    dataset.file_meta.SourceApplicationEntityTitle = "DOE_WARD"
    dataset.preamble = b"Doe" + bytes(125)
    dataset.set_original_encoding(False, True)
    return dataset


def test_overlooked_places_are_cleaned_and_noted_without_values():
    result = Deidentifier(PLAIN, PSEUDONYMS).apply(nested())
    data = written(result.dataset)
    assert not holds(data, "Doe")
    assert not holds(data, "MRN-7")
    assert b"1.2.3.4" not in data
    assert result.removed["ConvolutionKernel"] == "removed"
    assert result.removed["ReferencedImageSequence.(0009,xxxx)"] == "removed"
    assert result.removed["ReferencedImageSequence.ReferencedSOPInstanceUID"] == "remapped"
    assert result.removed["file meta SourceApplicationEntityTitle"] == "removed"
    assert not any(holds(str(result.removed).encode(), value) for value in ("Doe", "MRN-7", "19610203"))
    assert "SliceThickness" not in result.removed
    assert result.dataset.SliceThickness == 2


def test_the_original_is_left_as_it_was():
    dataset = nested()
    before = dataset.to_json()
    apply(dataset)
    assert dataset.to_json() == before


def test_uids_are_remapped_alike_everywhere_and_those_of_the_standard_stay():
    result = apply(nested())
    assert result.SOPInstanceUID == result.file_meta.MediaStorageSOPInstanceUID
    assert result.SOPInstanceUID == result.ReferencedImageSequence[0].ReferencedSOPInstanceUID
    assert result.SOPInstanceUID != result.StudyInstanceUID
    assert result.SOPInstanceUID.is_valid
    assert result.ReferencedImageSequence[0].ReferencedSOPClassUID == result.SOPClassUID == MRImageStorage


def test_slices_of_one_series_stay_one_series(shared_data: Path):
    folder = shared_data / "dicom_phi_named/PGBM-002/13_HCropVolume"
    results = [apply(pydicom.dcmread(path)) for path in sorted(folder.glob("*.dcm"))]
    assert len({result.SeriesInstanceUID for result in results}) == 1
    assert len({result.PatientID for result in results}) == 1
    assert len({result.SOPInstanceUID for result in results}) == len(results)


def test_the_result_says_how_it_was_made():
    result = apply(nested())
    assert result.PatientID == result.PatientName == PSEUDONYMS.patient("MRN-7")
    assert result.PatientIdentityRemoved == "YES"
    assert result.LongitudinalTemporalInformationModified == "REMOVED"
    assert [item.CodeValue for item in result.DeidentificationMethodCodeSequence] == ["113100"]


def test_modified_dates_keep_distances_and_times_but_no_birth_date():
    result = apply(nested(), ALL_OPTIONS)
    moved = pydicom.valuerep.DA(result.StudyDate)
    assert (moved - pydicom.valuerep.DA("20200301")).days == PSEUDONYMS.days("MRN-7")
    assert result.StudyTime == "101500"
    assert result.AcquisitionDateTime == result.StudyDate + "101500.5+0100"
    assert not result.PatientBirthDate
    assert result.LongitudinalTemporalInformationModified == "MODIFIED"


def test_characteristics_stay_only_where_the_recipe_says_so():
    assert not apply(nested()).PatientSex
    assert "PatientWeight" not in apply(nested())
    result = apply(nested(), ALL_OPTIONS)
    assert (result.PatientSex, result.PatientWeight) == ("M", 80)
    assert "EthnicGroup" not in result


def test_the_profile_names_its_edition_and_options():
    options = DeidentifyConfig(longitudinal_dates=True, mask_regions=(RegionConfig(rows=(0, 9), columns=(0, 9)),))
    assert "PS3.15" in profile_name(PLAIN)
    assert profile_name(PLAIN).endswith("no options")
    assert "Modified Dates" in profile_name(options)
    assert "Clean Pixel Data" in profile_name(options)
    assert "Patient Characteristics" not in profile_name(options)


def test_a_deidentifier_travels_to_other_processes():
    deidentifier = pickle.loads(pickle.dumps(Deidentifier(PLAIN, PSEUDONYMS)))
    assert deidentifier.apply(nested()).dataset.PatientID == PSEUDONYMS.patient("MRN-7")
