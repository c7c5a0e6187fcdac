"""DICOM headers: equal whichever way they are read; damage is told by a code and repeats no value."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.data.dicom.header import Header, open_header, shape_of
from medseg.data.dicom.headers import HeaderReader
from medseg.data.dicom.names import class_name
from medseg.data.dicom.pixels import PixelReader
from medseg.errors import RejectedFileError
from tests.data.dicom.scenes import item, save
from tests.data.scenes import series_datasets, slice_dataset, write_series


def read(headers: HeaderReader, path: Path) -> Header:
    with path.open("rb") as file:
        return headers.read(file, path)


def same(a: Header, b: Header) -> bool:
    pixels = [(h.pixel_tag, h.pixel_representation, h.pixel_length, h.pixel_start) for h in (a, b)]
    return [str(element) for element in a.dataset] == [str(element) for element in b.dataset] and len(set(pixels)) == 1


def test_only_what_differs_from_the_header_before_is_fresh(tmp_path: Path) -> None:
    headers = HeaderReader()
    first, second = (read(headers, path) for path in write_series(tmp_path, series_datasets(2)))
    assert first.fresh is first.dataset
    assert {element.keyword for element in second.fresh} == {"SOPInstanceUID", "ImagePositionPatient"}
    assert second.dataset.PatientName == "Doe^Jane"


@given(chosen=st.lists(st.integers(0, 5), min_size=2, max_size=6))
@settings(max_examples=20, deadline=None)
def test_headers_in_any_order_are_those_that_pydicom_reads(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("headers")
    datasets = series_datasets(6)
    datasets[1].PatientName = "Müller^Jörg"
    datasets[1].SpecificCharacterSet = "ISO_IR 100"
    datasets[2].RequestAttributesSequence = [item(AccessionNumber="A-1")]
    datasets[3].RequestAttributesSequence = [item(AccessionNumber="A-2")]
    datasets[3]["RequestAttributesSequence"].is_undefined_length = True
    datasets[4].ImageComments = "x" * 40_000
    del datasets[5].PatientName
    paths = write_series(folder, datasets)
    headers = HeaderReader()
    assert all(same(read(headers, paths[index]), open_header(paths[index])) for index in chosen)


def test_real_headers_are_those_that_pydicom_reads(shared_data: Path) -> None:
    headers = HeaderReader()
    folders = ("dicom_phi_named", "dicom_misc_pydicom", "rtstruct", "dicom_seg")
    paths = [path for folder in folders for path in sorted((shared_data / folder).rglob("*.dcm"))]
    compared = []
    for path in paths:
        try:
            expected = open_header(path)
        except RejectedFileError:
            continue
        compared.append(same(read(headers, path), expected))
    assert all(compared)
    assert len(compared) > 100


def test_sizes_of_real_files_are_those_of_the_facts(shared_data: Path) -> None:
    checked = 0
    for row in csv.DictReader((shared_data / "FACTS_dicom.csv").open()):
        if not (row["rows"] or "").isdigit():
            continue
        path = shared_data / row["path"]
        if "badVR" in path.name or "rtplan" in path.name:
            continue
        expected = (int(row["frames"] or 1), int(row["rows"]), int(row["cols"]))
        assert shape_of(open_header(path).dataset, path) == expected, path
        checked += 1
    assert checked > 140


@pytest.mark.parametrize("keep", [0, 100, 140, 300, 700])
def test_a_cut_header_is_refused_without_a_value(tmp_path: Path, keep: int) -> None:
    path = write_series(tmp_path, [slice_dataset(0, series_datasets(1)[0].pixel_array)])[0]
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RejectedFileError) as caught:
        PixelReader().read(path)
    assert caught.value.code in ("empty-file", "unreadable-dicom", "truncated", "no-pixels")
    assert "Doe" not in str(caught.value)


def test_a_file_without_preamble_is_read(tmp_path: Path) -> None:
    path = write_series(tmp_path, series_datasets(1))[0]
    expected = open_header(path)
    path.write_bytes(path.read_bytes()[132:])
    assert str(open_header(path).dataset.PatientName) == str(expected.dataset.PatientName)


def test_sequences_of_undefined_length_end_where_their_delimiter_is(tmp_path: Path) -> None:
    dataset = series_datasets(1)[0]
    inner = item(ReferencedSOPInstanceUID="1.2", PurposeOfReferenceCodeSequence=[item(CodeValue="1")])
    dataset.SourceImageSequence = [inner, inner]
    for element in (dataset["SourceImageSequence"], inner["PurposeOfReferenceCodeSequence"]):
        element.is_undefined_length = True
    inner.is_undefined_length_sequence_item = True
    paths = [save(dataset, tmp_path / f"{number}.dcm") for number in range(2)]
    headers = HeaderReader()
    read(headers, paths[0])
    second = read(headers, paths[1])
    assert same(second, open_header(paths[1]))
    assert len(second.fresh) == 0


def test_labels_become_names_that_stay_different() -> None:
    assert class_name("Left Kidney") == "left_kidney"
    assert class_name("Lésion à gauche") == "lesion_a_gauche"
    assert len({class_name(label) for label in ("肝 left", "脾 left", "left", "肝", "脾")}) == 5
