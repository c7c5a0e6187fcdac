"""DICOM trees as archives hold them: grouped, matched with references, refused by name; no byte makes it fail."""

from __future__ import annotations

import contextlib
import pickle
import shutil
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, RTDoseStorage, generate_uid

from medseg.data.source import Source
from medseg.errors import RejectedFileError
from tests.data.dicom.scenes import Listed, code_of, listed, save
from tests.data.scenes import series_datasets, slice_dataset, write_picture, write_series


def scene(tmp_path: Path, *series: list[Dataset], **settings: object) -> Listed:
    for number, datasets in enumerate(series):
        write_series(tmp_path / f"in/{number}", datasets)
    return listed(tmp_path / "in", tmp_path / "scratch", **settings)


def repeated(keyword: str, *values: object) -> list[Dataset]:
    """The same positions once per value."""
    datasets = []
    for value in values:
        for dataset in series_datasets():
            setattr(dataset, keyword, value)
            datasets.append(dataset)
    return datasets


# ---- grouping


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("EchoNumbers", [1, 2]),
        ("ImageType", [["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]]),
        ("AcquisitionNumber", [1, 2, 3]),
        ("AcquisitionTime", ["101010", "101110"]),
        ("ImageOrientationPatient", [[1, 0, 0, 0, 1, 0], [1, 0, 0, 0, -1, 0]]),
    ],
)
def test_one_series_is_parted_into_its_volumes(tmp_path: Path, keyword: str, values: list[object]) -> None:
    found = scene(tmp_path, repeated(keyword, *values))
    assert [len(case.images) for case in found.cases] == [4] * len(values)
    assert found.rejected == {}
    assert len({case.case for case in found.cases}) == len(values)


def test_an_acquisition_time_of_every_slice_parts_nothing(tmp_path: Path) -> None:
    datasets = series_datasets()
    for number, dataset in enumerate(datasets):
        dataset.AcquisitionTime = f"10101{number}"
    assert len(scene(tmp_path, datasets).case.images) == 4


def test_files_of_a_volume_come_in_the_order_of_their_positions(tmp_path: Path) -> None:
    datasets = series_datasets()
    found = scene(tmp_path, [datasets[index] for index in (2, 0, 3, 1)])
    assert found.case.images == ("0/1.dcm", "0/3.dcm", "0/0.dcm", "0/2.dcm")


def test_a_gap_in_a_series_is_refused_and_named_and_other_series_are_kept(tmp_path: Path) -> None:
    holed = series_datasets(5)[:2] + series_datasets(5)[3:]
    whole = [slice_dataset(k, np.zeros((2, 3), np.uint16), "whole") for k in range(3)]
    found = scene(tmp_path, holed, whole)
    assert found.case.images == ("1/0.dcm", "1/1.dcm", "1/2.dcm")
    assert found.rejected == dict.fromkeys((f"0/{number}.dcm" for number in range(4)), "slice-gap")
    assert (
        "10.00 mm between 5.00 and 15.00 mm along the normal: between 0/1.dcm and 0/2.dcm" in found.reasons["0/0.dcm"]
    )


def test_damage_refuses_its_series_and_names_the_file(tmp_path: Path) -> None:
    datasets = series_datasets()
    del datasets[3].PixelData
    found = scene(tmp_path, datasets)
    assert found.rejected == {"0/3.dcm": "no-pixels"} | dict.fromkeys(
        ("0/0.dcm", "0/1.dcm", "0/2.dcm"), "case-rejected"
    )
    assert "0/3.dcm" in found.reasons["0/0.dcm"]


def test_slices_of_two_patients_are_no_volume(tmp_path: Path) -> None:
    datasets = series_datasets()
    datasets[2].PatientID = "MRN-2"
    assert set(scene(tmp_path, datasets).rejected.values()) == {"mixed-patients"}


def test_localizers_are_left_out_of_their_series(tmp_path: Path) -> None:
    scout = slice_dataset(9, np.zeros((2, 3), np.uint16))
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    found = scene(tmp_path, [*series_datasets(), scout])
    assert len(found.case.images) == 4
    assert found.rejected == {"0/4.dcm": "localizer"}


def test_a_series_that_lies_in_two_folders_is_taken_once(tmp_path: Path) -> None:
    datasets = series_datasets()
    found = scene(tmp_path, datasets[:3], datasets)
    assert found.case.images == tuple(f"1/{number}.dcm" for number in range(4))
    assert found.rejected == dict.fromkeys((f"0/{number}.dcm" for number in range(3)), "duplicate-instance")


def test_a_damaged_copy_beside_a_good_one_harms_nothing(tmp_path: Path) -> None:
    datasets = series_datasets()
    write_series(tmp_path / "in/0", datasets)
    copy = tmp_path / "in/0/copy.dcm"
    copy.write_bytes((tmp_path / "in/0/1.dcm").read_bytes()[:-3])
    found = listed(tmp_path / "in", tmp_path / "scratch")
    assert len(found.case.images) == 4
    assert found.rejected == {"0/copy.dcm": "truncated"}


# ---- what is no volume


def test_what_holds_no_scan_is_refused_by_its_kind(tmp_path: Path) -> None:
    dose = slice_dataset(0, np.zeros((2, 3), np.uint16))
    dose.SOPClassUID = dose.file_meta.MediaStorageSOPClassUID = RTDoseStorage
    write_series(tmp_path / "in/0", series_datasets())
    save(dose, tmp_path / "in/dose")
    write_picture(tmp_path / "in/a.png", np.zeros((2, 2), np.uint8)).rename(tmp_path / "in/png.dcm")
    (tmp_path / "in/empty.dcm").touch()
    (tmp_path / "in/notes.txt").write_text("no scan")
    found = listed(tmp_path / "in", tmp_path / "scratch")
    assert found.rejected == {"dose": "not-an-image", "png.dcm": "unreadable-dicom", "empty.dcm": "empty-file"}
    assert "RT Dose" in found.reasons["dose"]


def radiograph(**attributes: object) -> Dataset:
    dataset = slice_dataset(0, np.arange(6, dtype=np.uint16).reshape(2, 3))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.Modality = "DX"
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept"):
        delattr(dataset, keyword)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def test_radiographs_are_pictures_one_case_each(tmp_path: Path) -> None:
    found = scene(tmp_path, [radiograph(SOPInstanceUID=generate_uid()) for _ in range(2)])
    assert (len(found.cases), found.listing.modality, found.listing.task) == (2, "xray", "prediction")
    image = found.load(found.cases[0], "xray").image
    assert image.array.shape == (1, 3, 2, 1)
    assert found.load(found.cases[0], "rgb").image.array.shape == (3, 3, 2, 1)
    assert image.array[0, ::-1, ::-1, 0].T.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_burned_in_text_is_refused_unless_its_regions_are_masked(tmp_path: Path) -> None:
    found = scene(tmp_path, [radiograph(BurnedInAnnotation="YES")])
    assert found.rejected == {"0/0.dcm": "burned-in-text"}
    regions = [{"rows": [0, 1], "columns": [0, 2]}]
    masked = listed(tmp_path / "in", tmp_path / "masked", deidentify={"mask_regions": regions})
    assert masked.load(modality="xray").image.array[0, ::-1, ::-1, 0].T.tolist() == [[0, 0, 2], [3, 4, 5]]


def test_frames_of_a_picture_have_no_place(tmp_path: Path) -> None:
    cine = radiograph(NumberOfFrames=2)
    cine.PixelData = bytes(24)
    assert scene(tmp_path, [cine]).rejected == {"0/0.dcm": "multi-frame"}


# ---- references


def write_nifti(path: Path, values: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)


def test_a_nifti_file_with_the_name_of_the_folder_is_its_reference(tmp_path: Path) -> None:
    for patient in ("a", "b"):
        sources = [slice_dataset(k, np.zeros((2, 3), np.uint16), patient) for k in range(4)]
        write_series(tmp_path / f"in/{patient}/ct", sources)
    affine = (
        listed(tmp_path / "in", tmp_path / "before").load(listed(tmp_path / "in", tmp_path / "x").cases[0]).image.affine
    )
    labels = np.arange(24, dtype=np.uint8).reshape(3, 2, 4) % 3
    write_nifti(tmp_path / "in/a/ct.nii.gz", labels, affine)
    write_nifti(tmp_path / "in/b/labels/other.nii.gz", labels, affine)
    found = listed(tmp_path / "in", tmp_path / "scratch")
    assert found.case.references == ("a/ct.nii.gz",)
    assert np.array_equal(found.draw().image.array[0], labels)
    assert Counter(found.rejected.values()) == {"reference-missing": 4}


def test_a_nifti_image_beside_its_series_is_no_reference(tmp_path: Path) -> None:
    write_series(tmp_path / "in/ct", series_datasets())
    write_nifti(tmp_path / "in/ct.nii.gz", np.arange(-12, 12, dtype=np.int16).reshape(3, 2, 4), np.eye(4))
    assert code_of(listed(tmp_path / "in", tmp_path / "scratch").draw) == "not-a-reference"


def test_without_any_reference_all_images_are_for_prediction(tmp_path: Path) -> None:
    found = scene(tmp_path, series_datasets())
    assert (found.listing.task, found.listing.classes, found.case.references) == ("prediction", None, ())


# ---- what goes with an image


def test_an_image_brings_facts_and_identities_but_facts_are_none(tmp_path: Path) -> None:
    datasets = series_datasets()
    datasets[3].PatientComments = "call Smith^Anna"
    found = scene(tmp_path, datasets)
    layout = pickle.loads(pickle.dumps(found.layout))
    loaded = layout.load_image(found.source, found.case, "ct")
    assert loaded.facts["modality"] == "CT"
    assert {"MRN-1", "Doe"} <= loaded.identities
    assert any("Smith" in value for value in loaded.identities)
    assert loaded.removed["PatientName"]
    assert "Doe" not in str(loaded.facts) + str(loaded.removed)


def test_names_that_are_no_valid_text_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "caf\udce9"
    write_series(folder, [*series_datasets(), series_datasets()[2]])
    found = listed(tmp_path / "in", tmp_path / "scratch")
    assert found.rejected["caf\udce9/2.dcm"] == "duplicate-slice"
    assert "caf\\xe9/2.dcm" in found.reasons["caf\udce9/2.dcm"]


# ---- real archives

ODD = {
    "truncated_60pct.dcm": {"truncated"},
    "header_only_cut.dcm": {"truncated", "unreadable-dicom"},
    "no_preamble.dcm": {"missing-spacing"},
    "wrong_transfer_syntax_bigendian.dcm": {"truncated", "unreadable-dicom"},
    "no_pixel_data.dcm": {"no-pixels"},
    "rows_doubled.dcm": {"truncated"},
    "half_pixel_data.dcm": {"truncated"},
    "missing_slices": {"slice-gap"},
    "duplicate_slice": {"duplicate-slice", "case-rejected"},
    "no_positions": {"missing-position"},
    "gantrytilting": {"gantry-tilt"},
    "missing_slice_CT": {"slice-gap"},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_real_files_are_refused_with_their_code(shared_data: Path, tmp_path: Path, name: str) -> None:
    path = shared_data / "odd/dicom" / name
    if path.is_dir():
        shutil.copytree(path, tmp_path / "in")
    else:
        (tmp_path / "in").mkdir()
        shutil.copy(path, tmp_path / "in")
    found = listed(tmp_path / "in", tmp_path / "scratch")
    assert found.cases == []
    assert set(found.rejected) == set(found.source.names())
    assert set(found.rejected.values()) <= ODD[name]


@pytest.mark.parametrize(
    ("name", "slices"), [("shuffled_names", [32]), ("two_series_mixed", [10, 10]), ("slicecount", [2])]
)
def test_odd_real_series_are_taken_for_what_they_are(
    shared_data: Path, tmp_path: Path, name: str, slices: list[int]
) -> None:
    found = listed(shared_data / "odd/dicom" / name, tmp_path / "scratch")
    assert [len(case.images) for case in found.cases] == slices
    assert found.rejected == {}
    assert any("slices or fewer" in warning for warning in found.listing.warnings) == (name == "slicecount")


def test_shuffled_names_give_the_sorted_volume(shared_data: Path, tmp_path: Path) -> None:
    shuffled = listed(shared_data / "odd/dicom/shuffled_names", tmp_path / "a").load()
    original = listed(shared_data / "dicom_phi_named/PGBM-002/13_HCropVolume", tmp_path / "b").load()
    assert np.array_equal(shuffled.image.array, original.image.array)
    assert np.array_equal(shuffled.image.affine, original.image.affine)


def test_all_odd_series_in_one_archive_keep_the_good_ones(shared_data: Path, tmp_path: Path) -> None:
    found = listed(shared_data / "odd/dicom", tmp_path / "scratch")
    folders = {case.images[0].split("/")[0] for case in found.cases}
    assert folders == {"shuffled_names", "two_series_mixed", "slicecount"}
    for name, codes in ODD.items():
        own = {found.rejected[file] for file in found.rejected if file.split("/")[0] == name}
        assert own <= codes
        assert own


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        ("dicom", 4),
        ("dicom_misc", 1),
        ("dicom_misc_pydicom", 3),
        ("dicom_phi_named", 1),
        ("dicom_seg", 1),
        ("rtstruct", 1),
    ],
)
def test_real_sets_are_listed_and_loaded(shared_data: Path, tmp_path: Path, name: str, cases: int) -> None:
    found = listed(shared_data / name, tmp_path / "scratch", overlap="first")
    assert len(found.cases) == cases
    for case in found.cases:
        assert np.isfinite(found.load(case).image.array).all()
        if case.references:
            assert found.draw(case).names
    accepted = {file for case in found.cases for file in (*case.images, *case.references)}
    left = set(found.source.names()) - accepted - set(found.rejected)
    assert not [file for file in left if file.endswith(".dcm")]


def test_planted_identities_are_handed_on_from_public_private_and_nested_tags(
    shared_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(shared_data / "odd/dicom/phi_planted.dcm", tmp_path / "in")
    loaded = listed(tmp_path / "in", tmp_path / "scratch").load()
    planted = {"MRN-0099123", "19610203", "ALT-778", "A-55120", "555-0100", "Müller"}
    assert planted <= loaded.identities
    assert not [value for value in planted if value in str(dict(loaded.facts))]


# ---- no byte makes it fail


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damaged_byte_makes_the_listing_or_the_loading_fail(
    tmp_path_factory: pytest.TempPathFactory, good_files: list[bytes], data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from(good_files), label="file"))
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, min(len(content) - 1, 3000)))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    folder = tmp_path_factory.mktemp("damaged")
    write_series(folder / "in", series_datasets())
    (folder / "in/damaged.dcm").write_bytes(content[:cut] if data.draw(st.booleans()) else content)
    found = listed(folder / "in", folder / "scratch", overlap="last")
    for case in found.cases:
        with contextlib.suppress(RejectedFileError):
            found.load(case)
            if case.references:
                found.draw(case)
    accepted = {file for case in found.cases for file in (*case.images, *case.references)}
    assert accepted | set(found.rejected) == set(Source(folder / "in").names())


@pytest.fixture(scope="module")
def good_files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A slice, a compressed slice, a multi-frame object and a structure set."""
    from pydicom.uid import JPEG2000Lossless, RLELossless

    from tests.data.dicom.scenes import enhanced, square, structures

    folder = tmp_path_factory.mktemp("good")
    wide = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48) % 4096
    datasets = [series_datasets()[1], enhanced(), structures(series_datasets(), {"GTV": [square(10, 25, 5)]})]
    for syntax in (RLELossless, JPEG2000Lossless):
        datasets.append(slice_dataset(1, wide))
        datasets[-1].compress(syntax)
    return [save(dataset, folder / f"{number}.dcm").read_bytes() for number, dataset in enumerate(datasets)]
