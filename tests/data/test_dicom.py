"""DICOM series become volumes: order, geometry and values; what cannot be trusted is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from medseg.data.dicom import read_header, read_series
from medseg.data.image import to_ras
from medseg.data.labels import encode
from medseg.data.layouts import Source
from medseg.data.layouts.dicom_seg import DICOM_SEG
from medseg.data.sample import write_sample
from medseg.errors import RejectedFileError
from tests.data.scenes import series_datasets, slice_dataset, write_series


def code(paths: list[Path]) -> str:
    with pytest.raises(RejectedFileError) as caught:
        read_series(paths)
    return caught.value.code


def changed(change: Callable[[Dataset], object], *which: int) -> list[Dataset]:
    datasets = series_datasets()
    for index in which:
        change(datasets[index])
    return datasets


def test_slices_in_any_order_become_one_volume_in_hounsfield_units(tmp_path: Path) -> None:
    paths = write_series(tmp_path, series_datasets())
    image = read_series([paths[2], paths[0], paths[3], paths[1]])
    assert image.array.shape == (1, 3, 2, 4)
    assert image.array.dtype == np.int16
    # first voxel in RAS+ is the most left, most posterior: last column and last row of the lowest slice
    assert image.array[0, 0, 0].tolist() == [5 - 1024, 105 - 1024, 205 - 1024, 305 - 1024]
    assert image.geometry.spacing_mm == (2, 3, 5)
    assert np.allclose(image.affine[:3, 3], (-(10 + 2 * 2), -(20 + 3), 0))


def test_rescale_is_applied_slice_by_slice(tmp_path: Path) -> None:
    datasets = series_datasets()
    datasets[1].RescaleSlope, datasets[1].RescaleIntercept = 0.5, 0
    image = read_series(write_series(tmp_path, datasets))
    assert image.array.dtype == np.float32
    assert image.array[0, 0, 0].tolist() == [5 - 1024, 52.5, 205 - 1024, 305 - 1024]


def test_monochrome1_is_turned_round(tmp_path: Path) -> None:
    pixels = np.array([[0, 4095]], np.uint16)
    dataset = slice_dataset(0, pixels)
    dataset.PhotometricInterpretation, dataset.RescaleIntercept = "MONOCHROME1", 0
    assert read_series(write_series(tmp_path, [dataset])).array.ravel().tolist() == [0, 4095]


@pytest.mark.parametrize(
    ("expected", "datasets"),
    [
        ("slice-gap", series_datasets()[:1] + series_datasets(5)[2:]),
        ("duplicate-slice", [*series_datasets(), series_datasets()[2]]),
        ("missing-position", changed(lambda d: d.pop("ImagePositionPatient"), 1)),
        ("missing-spacing", changed(lambda d: d.pop("PixelSpacing"), 1)),
        ("bad-orientation", changed(lambda d: setattr(d, "ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), 0)),
        ("no-pixels", changed(lambda d: d.pop("PixelData"), 1)),
        ("no-pixels", changed(lambda d: setattr(d, "Rows", 4), 1)),
        ("multi-frame", changed(lambda d: setattr(d, "NumberOfFrames", 2), 1)),
        ("unsupported-pixels", changed(lambda d: setattr(d, "SamplesPerPixel", 3), 1)),
    ],
)
def test_what_would_be_invented_is_refused(tmp_path: Path, expected: str, datasets: list[Dataset]) -> None:
    assert code(write_series(tmp_path, datasets)) == expected


def test_gantry_tilt_is_refused(tmp_path: Path) -> None:
    datasets = series_datasets()
    for index, dataset in enumerate(datasets):
        dataset.ImagePositionPatient = [10, 20 + index, 5 * index]
    assert code(write_series(tmp_path, datasets)) == "gantry-tilt"


@pytest.mark.parametrize(
    "name",
    [
        "generic_anatomical_001",
        "generic_anatomical_002_non_isotropic",
        "generic_compressed_j2k_001",
        "generic_compressed_rle_001",
        "generic_compressed_jpegls_001",
        "generic_compressed_jpeg_001",
        "ge_anatomical_001",
    ],
)
def test_real_series_match_an_independent_conversion(shared_data: Path, name: str) -> None:
    image = read_series(sorted((shared_data / "dicom" / name / "dicom").glob("*.dcm")))
    expected = nibabel.load(shared_data / "dicom" / name / "expected.nii.gz")
    voxels, affine = to_ras(np.asanyarray(expected.dataobj), expected.affine)
    assert np.allclose(image.array[0], voxels, rtol=1e-6)
    assert np.allclose(image.affine, affine, atol=0.01)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("missing_slices", "slice-gap"),
        ("duplicate_slice", "duplicate-slice"),
        ("no_positions", "missing-position"),
        ("missing_slice_CT", "slice-gap"),
        ("gantrytilting", "gantry-tilt"),
    ],
)
def test_odd_real_series_are_refused(shared_data: Path, folder: str, expected: str) -> None:
    assert code(sorted((shared_data / "odd/dicom" / folder).rglob("*.dcm"))) == expected


@pytest.mark.parametrize(
    "name",
    [
        "truncated_60pct",
        "header_only_cut",
        "no_preamble",
        "wrong_transfer_syntax_bigendian",
        "no_pixel_data",
        "rows_doubled",
        "half_pixel_data",
    ],
)
def test_damaged_real_files_are_refused(shared_data: Path, name: str) -> None:
    with pytest.raises(RejectedFileError):
        read_series([shared_data / "odd/dicom" / f"{name}.dcm"])


def test_shuffled_names_give_the_sorted_volume(shared_data: Path) -> None:
    shuffled = read_series(sorted((shared_data / "odd/dicom/shuffled_names").rglob("*.dcm")))
    original = read_series(sorted((shared_data / "dicom_phi_named/PGBM-002/13_HCropVolume").glob("*.dcm")))
    assert np.array_equal(shuffled.array, original.array)


def real_segments(shared_data: Path, folder: Path, name: str) -> Source:
    for path in [*(shared_data / "dicom_seg/ct-3slice").glob("*.dcm"), shared_data / "dicom_seg" / name]:
        shutil.copy(path, folder)
    return Source.of_folder(folder)


def test_real_segmentation_lies_on_its_image(shared_data: Path, tmp_path: Path) -> None:
    listing = DICOM_SEG.read(real_segments(shared_data, tmp_path, "liver_seg.dcm"))
    assert listing.classes == {"liver": 1}
    image = DICOM_SEG.load_image(listing.cases[0], "ct")
    reference = DICOM_SEG.load_reference(listing.cases[0], image.geometry)
    encoded, _ = encode(reference, listing.classes)
    assert encoded.shape == image.array.shape[1:] == (512, 512, 3)
    stored = read_header(tmp_path / "liver_seg.dcm", pixels=True).pixel_array
    assert encoded.sum() == stored.sum() > 0


def test_overlapping_segments_are_refused(shared_data: Path, tmp_path: Path) -> None:
    listing = DICOM_SEG.read(real_segments(shared_data, tmp_path, "partial_overlaps_seg.dcm"))
    image = DICOM_SEG.load_image(listing.cases[0], "ct")
    with pytest.raises(RejectedFileError, match="overlapping-segments"):
        DICOM_SEG.load_reference(listing.cases[0], image.geometry)


def test_segments_find_their_acquisition_among_repeats_of_one_series(tmp_path: Path) -> None:
    write_sample(tmp_path, patients=1)
    slices = sorted((tmp_path / "patient-01/ct").glob("*.dcm"))
    repeats = [tmp_path / "repeat" / path.name for path in slices]
    for path, repeat in zip(slices, repeats, strict=True):
        dataset = read_header(path, pixels=True)
        dataset.AcquisitionNumber = 2
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        repeat.parent.mkdir(exist_ok=True)
        dataset.save_as(repeat)
    source = Source.of_folder(tmp_path)
    listing = DICOM_SEG.read(source)
    assert [case.images for case in listing.cases] == [tuple(slices)]
    assert {found.path for found in listing.rejected} == {source.name(path) for path in repeats}


def test_geometry_and_values_are_those_that_simpleitk_reads(tmp_path: Path) -> None:
    write_sample(tmp_path, patients=1)
    paths = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "patient-01" / "ct"))
    itk = sitk.ReadImage(paths)
    image = read_series([Path(path) for path in paths])
    for index in ((0, 0, 0), (10, 20, 5), (63, 47, 20)):
        x, y, z = itk.TransformContinuousIndexToPhysicalPoint(index)
        i, j, k = np.rint(np.linalg.solve(image.affine, [-x, -y, z, 1.0])[:3]).astype(int)
        assert image.array[0, i, j, k] == itk[index]
