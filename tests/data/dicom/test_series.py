"""DICOM series become volumes: order, geometry and values; what cannot be trusted is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from medseg.config import ToleranceConfig
from medseg.data.dicom.geometry import Plane, grid_step
from medseg.data.dicom.series import read_series
from medseg.data.image import to_ras
from medseg.data.sample import write_sample
from medseg.errors import RejectedFileError
from tests.data.scenes import series_datasets, slice_dataset, write_series

EXACT = ToleranceConfig()


def code(paths: list[Path], tolerances: ToleranceConfig = EXACT) -> str:
    with pytest.raises(RejectedFileError) as caught:
        read_series(paths, tolerances)
    return caught.value.code


def changed(change: Callable[[Dataset], object], *which: int) -> list[Dataset]:
    datasets = series_datasets()
    for index in which:
        change(datasets[index])
    return datasets


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_slices_in_any_order_become_one_volume_in_hounsfield_units(tmp_path: Path, order: list[int]) -> None:
    paths = write_series(tmp_path, series_datasets())
    image = read_series([paths[index] for index in order], EXACT)
    assert image.array.shape == (1, 3, 2, 4)
    assert image.array.dtype == np.int16
    # first voxel in RAS+ is the most left, most posterior: last column and last row of the lowest slice
    assert image.array[0, 0, 0].tolist() == [5 - 1024, 105 - 1024, 205 - 1024, 305 - 1024]
    assert image.geometry.spacing_mm == (2, 3, 5)
    assert np.allclose(image.affine[:3, 3], (-(10 + 2 * 2), -(20 + 3), 0))


def test_rescale_is_applied_slice_by_slice(tmp_path: Path) -> None:
    datasets = series_datasets()
    datasets[1].RescaleSlope, datasets[1].RescaleIntercept = 0.5, 0
    image = read_series(write_series(tmp_path, datasets), EXACT)
    assert image.array.dtype == np.float32
    assert image.array[0, 0, 0].tolist() == [5 - 1024, 52.5, 205 - 1024, 305 - 1024]


@given(stored=st.lists(st.integers(0, 65535), min_size=2, max_size=2), slope=st.integers(-3, 3).filter(bool),
       intercept=st.integers(-70000, 70000))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_every_16_bit_value_survives_in_the_smallest_type_that_holds_it(
    tmp_path_factory: pytest.TempPathFactory, stored: list[int], slope: int, intercept: int
) -> None:
    dataset = slice_dataset(0, np.array([stored], np.uint16))
    dataset.BitsStored, dataset.HighBit = 16, 15
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    image = read_series(write_series(tmp_path_factory.mktemp("one"), [dataset]), EXACT)
    expected = [value * slope + intercept for value in reversed(stored)]
    assert image.array.ravel().tolist() == expected
    low, high = min(0, *expected), max(0, *expected)
    fits = [dtype for dtype in (np.int16, np.uint16) if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max]
    assert image.array.dtype == (fits or [np.float32])[0]


def test_monochrome1_is_turned_round(tmp_path: Path) -> None:
    dataset = slice_dataset(0, np.array([[0, 4095]], np.uint16))
    dataset.PhotometricInterpretation, dataset.RescaleIntercept = "MONOCHROME1", 0
    assert read_series(write_series(tmp_path, [dataset]), EXACT).array.ravel().tolist() == [0, 4095]


def test_overlays_in_unused_bits_are_no_grey_values(tmp_path: Path) -> None:
    dataset = slice_dataset(0, np.array([[0xF005, 7]], np.uint16))
    dataset.RescaleIntercept = 0
    assert read_series(write_series(tmp_path, [dataset]), EXACT).array.ravel().tolist() == [7, 5]


@pytest.mark.parametrize(
    ("expected", "datasets"),
    [
        ("slice-gap", series_datasets()[:1] + series_datasets(5)[2:]),
        ("duplicate-slice", [*series_datasets(), series_datasets()[2]]),
        ("missing-position", changed(lambda d: d.pop("ImagePositionPatient"), 1)),
        ("missing-position", changed(lambda d: setattr(d, "ImagePositionPatient", [0, 0, 1e300]), 1)),
        ("missing-spacing", changed(lambda d: d.pop("PixelSpacing"), 1)),
        ("missing-spacing", changed(lambda d: setattr(d, "PixelSpacing", [0, 1]), 1)),
        ("bad-orientation", changed(lambda d: setattr(d, "ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), 0)),
        ("bad-rescale", changed(lambda d: setattr(d, "RescaleSlope", 0), 2)),
        ("no-pixels", changed(lambda d: d.pop("PixelData"), 1)),
        ("truncated", changed(lambda d: setattr(d, "Rows", 4), 1)),
        ("pixel-length", changed(lambda d: setattr(d, "Rows", 1), 1)),
        ("mixed-slices", changed(lambda d: setattr(d, "ImageOrientationPatient", [0, 1, 0, 1, 0, 0]), 2)),
        ("unsupported-pixels", changed(lambda d: setattr(d, "SamplesPerPixel", 3), 1)),
        ("missing-spacing", [changed(lambda d: d.pop("SliceThickness"), 0)[0]]),
    ],
)
def test_what_would_be_invented_is_refused(tmp_path: Path, expected: str, datasets: list[Dataset]) -> None:
    assert code(write_series(tmp_path, datasets)) == expected


def test_gantry_tilt_is_refused_beyond_the_tolerance(tmp_path: Path) -> None:
    datasets = series_datasets()
    for index, dataset in enumerate(datasets):
        dataset.ImagePositionPatient = [10, 20 + index, 5 * index]
    paths = write_series(tmp_path, datasets)
    assert code(paths) == "gantry-tilt"  # atan(1/5) is 11.3 degrees
    assert code(paths, ToleranceConfig(gantry_tilt_degrees=11)) == "gantry-tilt"
    assert read_series(paths, ToleranceConfig(gantry_tilt_degrees=12)).array.shape == (1, 3, 2, 4)


def planes(*heights_mm: float) -> list[Plane]:
    return [Plane((0.0, 0.0, height), (1, 0, 0, 0, 1, 0), (1, 1), (2, 2)) for height in heights_mm]


def test_the_gap_tolerance_is_the_recipes() -> None:
    uneven = planes(0, 1, 2.3, 3.3)
    with pytest.raises(RejectedFileError, match=r"slice-gap.*1\.00 mm apart, but 1\.30 mm between 1\.00 and 2\.30"):
        grid_step(uneven, EXACT)
    assert grid_step(uneven, ToleranceConfig(slice_gap_mm=0.4))[2] == pytest.approx(1.1)


def test_gaps_that_drift_within_the_tolerance_are_refused_where_they_add_up() -> None:
    heights = np.cumsum([0] + [1.04] * 20 + [0.96] * 20)
    with pytest.raises(RejectedFileError, match="shifted-slice"):
        grid_step(planes(*heights), EXACT)


@given(gap_mm=st.floats(0.1, 10), count=st.integers(2, 30), digits=st.integers(2, 6))
@settings(max_examples=50, deadline=None)
def test_rounding_of_positions_is_no_gap(gap_mm: float, count: int, digits: int) -> None:
    step = grid_step(planes(*(round(number * gap_mm, digits) for number in range(count))), EXACT)
    assert step[2] == pytest.approx(gap_mm, abs=0.011)


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
    image = read_series(sorted((shared_data / "dicom" / name / "dicom").glob("*.dcm")), EXACT)
    expected = nibabel.load(shared_data / "dicom" / name / "expected.nii.gz")
    voxels, affine = to_ras(np.asanyarray(expected.dataobj), expected.affine)
    assert np.allclose(image.array[0], voxels, rtol=1e-6)
    assert np.allclose(image.affine, affine, atol=0.01)


def test_geometry_and_values_are_those_that_simpleitk_reads(tmp_path: Path) -> None:
    write_sample(tmp_path, patients=1)
    paths = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "patient-01" / "ct"))
    itk = sitk.ReadImage(paths)
    image = read_series([Path(path) for path in paths], EXACT)
    for index in ((0, 0, 0), (10, 20, 5), (63, 47, 20)):
        x, y, z = itk.TransformContinuousIndexToPhysicalPoint(index)
        i, j, k = np.rint(np.linalg.solve(image.affine, [-x, -y, z, 1.0])[:3]).astype(int)
        assert image.array[0, i, j, k] == itk[index]


@given(cosines=st.tuples(*[st.floats(-np.pi, np.pi)] * 3))
@settings(max_examples=30, deadline=None)
def test_any_oblique_plane_gives_every_voxel_the_place_that_its_header_says(
    tmp_path_factory: pytest.TempPathFactory, cosines: tuple[float, float, float]
) -> None:
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_euler("xyz", cosines).as_matrix()
    datasets = series_datasets()
    for index, dataset in enumerate(datasets):
        dataset.ImageOrientationPatient = [*map(float, turn[:, 0].round(8)), *map(float, turn[:, 1].round(8))]
        dataset.ImagePositionPatient = [float(number) for number in (turn[:, 2] * 5 * index).round(6)]
    image = read_series(write_series(tmp_path_factory.mktemp("oblique"), datasets), EXACT)
    for row, column, slice_ in ((0, 0, 0), (1, 2, 3), (0, 2, 1)):
        place = turn @ [column * 2, row * 3, slice_ * 5]
        i, j, k = np.rint(np.linalg.solve(image.affine, [-place[0], -place[1], place[2], 1])[:3]).astype(int)
        assert image.array[0, i, j, k] == 100 * slice_ + 3 * row + column - 1024
