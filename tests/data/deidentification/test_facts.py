"""Only whitelisted technical facts leave a header, and none that holds an identity."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom import Dataset

from medseg.config import DeidentifyConfig
from medseg.data.deidentification.deidentify import Deidentifier
from medseg.data.deidentification.facts import technical_facts
from medseg.data.deidentification.pseudonyms import Pseudonyms

PSEUDONYMS = Pseudonyms(b"0123456789abcdef")


def scan() -> Dataset:
    dataset = Dataset()
    dataset.Modality, dataset.Manufacturer, dataset.BodyPartExamined = "MR", "SIEMENS", "HEAD"
    dataset.EchoTime, dataset.MagneticFieldStrength = "2.50", "3"
    dataset.PatientName, dataset.PatientID = "Skyra^Jane", "MRN-0099123"
    dataset.PatientSex, dataset.PatientAge = "F", "045Y"
    dataset.StudyDate, dataset.StudyTime, dataset.SeriesDescription = "20200119", "101500.25", "t2_tse"
    return dataset


def test_facts_are_technical():
    assert technical_facts(scan()) == {
        "modality": "MR",
        "manufacturer": "SIEMENS",
        "body_part": "HEAD",
        "echo_time_ms": "2.5",
        "magnetic_field_t": "3",
    }


def test_a_technical_text_that_holds_an_identity_is_left_out():
    dataset = scan()
    dataset.Manufacturer = "Siemens, for Jane Skyra"
    dataset.ManufacturerModelName = "Unit of MRN 0099123"
    dataset.BodyPartExamined = "SKYRA"
    assert not {"manufacturer", "model", "body_part"} & technical_facts(dataset).keys()


def test_values_of_another_form_are_left_out():
    dataset = scan()
    dataset.Modality = "MR of the head"
    dataset.Manufacturer = "S" * 65
    assert not {"modality", "manufacturer"} & technical_facts(dataset).keys()


def test_without_options_there_is_nothing_of_the_patient():
    assert Deidentifier(DeidentifyConfig(), PSEUDONYMS).facts(scan()) == technical_facts(scan())


def test_the_options_add_characteristics_and_the_shifted_time():
    config = DeidentifyConfig(patient_characteristics=True, longitudinal_dates=True)
    facts = Deidentifier(config, PSEUDONYMS).facts(scan())
    assert (facts["patient_sex"], facts["patient_age"]) == ("F", "045Y")
    assert facts["study_time"].endswith("T10:15:00")
    assert "2010" <= facts["study_time"][:4] < "2020"


def test_facts_of_multi_frame_objects_come_from_the_shared_groups():
    measures, group, dataset = Dataset(), Dataset(), scan()
    measures.SliceThickness = "1.2"
    group.PixelMeasuresSequence = [measures]
    dataset.SharedFunctionalGroupsSequence = [group]
    assert technical_facts(dataset)["slice_thickness_mm"] == "1.2"


def test_facts_of_odd_headers_raise_nothing(shared_data: Path):
    paths = sorted((shared_data / "odd/dicom").glob("*.dcm")) + sorted((shared_data / "dicom_misc_pydicom").iterdir())
    assert all(isinstance(technical_facts(pydicom.dcmread(path, force=True)), dict) for path in paths)
