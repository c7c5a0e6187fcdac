"""Identifying values are found in every corner of a header, in every character set, and cost little."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pydicom
import pytest
from pydicom import DataElement, Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medseg.data.deidentification.identifying import identifying_values


def read_back(dataset: Dataset, implicit: bool = False) -> Dataset:
    """The data set as it comes from a file, its elements not decoded yet."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    file = io.BytesIO()
    dataset.save_as(file, implicit_vr=implicit, little_endian=True)
    return pydicom.dcmread(io.BytesIO(file.getvalue()), force=True)


def test_the_planted_identity_is_found_whole(shared_data: Path):
    values = identifying_values(pydicom.dcmread(shared_data / "odd/dicom/phi_planted.dcm"))
    planted = {"Müller^Jörg", "Müller", "MRN-0099123", "19610203", "1961-02-03", "ALT-778", "A-55120", "555-0100"}
    assert planted <= values
    assert {"Roe^Jane", "Example General", "12 Example Street", "20200119"} <= values


@pytest.mark.parametrize("implicit", [False, True])
def test_sequences_private_tags_and_unknown_types_are_looked_into(implicit: bool):
    item, inner = Dataset(), Dataset()
    inner.PatientID = "NESTED-1234"
    item.add(DataElement(0x00091002, "LO", "Private^Person"))
    item.ReferencedPatientSequence = [inner]
    dataset = Dataset()
    dataset.RequestAttributesSequence = [item]
    dataset.add(DataElement(0x00090010, "LO", "VENDOR"))
    dataset.add(DataElement(0x00091001, "UN", b"id=ACC1234567; kernel B30f"))
    values = identifying_values(read_back(dataset, implicit))
    assert {"NESTED-1234", "Private^Person", "ACC1234567"} <= values
    assert "VENDOR" not in values


def test_technical_texts_do_not_identify():
    dataset = Dataset()
    dataset.Modality, dataset.Manufacturer, dataset.ManufacturerModelName = "CT", "SIEMENS", "Sensation 64"
    dataset.InstitutionName = "SIEMENS Medical Systems"
    dataset.SeriesDescription, dataset.ProtocolName = "AXIAL T2 1.5mm", "HeadRoutine"
    dataset.SOPInstanceUID = "1.2.840.113619.2.5.1762583153"
    dataset.PatientName, dataset.PatientID, dataset.StudyID = "ANONYMOUS", "000000", "12"
    dataset.add(DataElement(0x00191010, "LO", "1.0000000"))
    dataset.add(DataElement(0x00191011, "LO", "20110512.101314"))
    assert identifying_values(read_back(dataset)) == set()


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 192", "Müller^Jörg"), ("ISO_IR 144", "Люкceмбypг"),
        ("GB18030", "Wang^XiaoDong=王^小东"), (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)  # fmt: skip
def test_names_are_decoded_with_their_character_set(charset: str, name: str):
    dataset = Dataset()
    dataset.SpecificCharacterSet = charset
    dataset.PatientName = name
    assert set(name.split("=")) <= identifying_values(read_back(dataset))


def test_a_part_of_a_header_is_decoded_with_the_character_set_of_the_whole():
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 144"
    dataset.PatientName = "Люкceмбypг"
    whole = read_back(dataset)
    part = Dataset({tag: element for tag, element in whole.items() if tag != 0x00080005})
    part.set_original_encoding(False, True, whole.original_character_set)
    assert "Люкceмбypг" in identifying_values(part)


def test_texts_within_binary_private_values_are_looked_at():
    dataset = Dataset()
    dataset.add(DataElement(0x00090010, "LO", "VENDOR"))
    dataset.add(DataElement(0x00091001, "OB", b"\1\0\2PN\0\4Doe^John\0\0\7"))
    assert "Doe^John" in identifying_values(read_back(dataset))


def test_a_wrong_character_set_hides_no_name():
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Müller^Jörg"
    raw = read_back(dataset)
    raw.SpecificCharacterSet = "ISO_IR 100"
    assert "Müller^Jörg" in identifying_values(raw)


def test_decoded_elements_give_what_raw_ones_give(shared_data: Path):
    path = shared_data / "odd/dicom/phi_planted.dcm"
    decoded = pydicom.dcmread(path)
    decoded.decode()
    assert [element.value for element in decoded]
    assert identifying_values(decoded) == identifying_values(pydicom.dcmread(path))


def test_values_that_were_seen_before_cost_a_fraction_of_reading_the_header(shared_data: Path):
    paths = sorted((shared_data / "dicom_phi_named").rglob("*.dcm"))
    start = time.perf_counter()
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    reading = time.perf_counter() - start
    for header in headers:
        identifying_values(header)
    start = time.perf_counter()
    for header in headers:
        identifying_values(header)
    assert time.perf_counter() - start < reading / 2
