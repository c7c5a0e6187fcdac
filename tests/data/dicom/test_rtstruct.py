"""Contours of RTSTRUCT objects fill the voxels whose centres they enclose, plane by plane."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline
from pydicom.dataset import Dataset

from medseg.data.dicom.rtstruct import fill
from medseg.errors import DataError
from tests.data.dicom.scenes import Listed, code_of, listed, save, square, structures
from tests.data.scenes import slice_dataset, write_series

TURN = np.linspace(0, 2 * np.pi, 720, endpoint=False)


def circle(radius_mm: float, z: float) -> list[tuple[float, float, float]]:
    """Around a point that is on no voxel's centre."""
    return [(50.3 + radius_mm * np.cos(angle), 49.8 + radius_mm * np.sin(angle), z) for angle in TURN]


def images(slices: int = 4) -> list[Dataset]:
    """1 mm pixels from (0, 0), at z = 0, 5, 10 …"""
    datasets = [slice_dataset(k, np.zeros((101, 101), np.uint16)) for k in range(slices)]
    for k, dataset in enumerate(datasets):
        dataset.PixelSpacing, dataset.ImagePositionPatient = [1, 1], [0, 0, 5 * k]
    return datasets


def scene(tmp_path: Path, rois: dict[str, Any], **settings: Any) -> Listed:
    sources = images()
    write_series(tmp_path / "in/ct", sources)
    save(structures(sources, rois), tmp_path / "in/rt.dcm")
    return listed(tmp_path / "in", tmp_path / "scratch", **settings)


def drawn(found: Listed, name: str) -> np.ndarray:
    """(slices, rows, columns) mask of a region."""
    reference = found.draw()
    return (reference.image.array[0] == reference.names[name])[::-1, ::-1].transpose(2, 1, 0)


def test_a_circle_covers_its_area(tmp_path: Path) -> None:
    found = scene(tmp_path, {"GTV": [circle(30, 5)]})
    assert found.listing.classes == {"gtv": 1}
    mask = drawn(found, "gtv")
    assert mask[1].sum() == pytest.approx(np.pi * 30**2, rel=0.005)
    assert mask.sum() == mask[1].sum()


def test_inner_contours_are_holes_and_contours_in_holes_are_islands(tmp_path: Path) -> None:
    mask = drawn(scene(tmp_path, {"Ring": [circle(30, 5), circle(20, 5), circle(10, 5)]}), "ring")
    assert mask[1].sum() == pytest.approx(np.pi * (900 - 400 + 100), rel=0.01)
    assert mask[1, 50, 50]
    assert not mask[1, 50, 65]


def test_the_voxels_are_those_whose_centres_are_inside(tmp_path: Path) -> None:
    mask = drawn(scene(tmp_path, {"Box": [square(9.5, 12.5, 10)]}), "box")
    assert np.argwhere(mask).min(axis=0).tolist() == [2, 10, 10]
    assert np.argwhere(mask).max(axis=0).tolist() == [2, 12, 12]
    assert mask.sum() == 9


@pytest.mark.parametrize(("z", "slice_"), [(4.9, 1), (7.4, 1), (7.6, 2), (-2.4, 0), (17.4, 3)])
def test_a_contour_between_slices_belongs_to_the_nearer_one(tmp_path: Path, z: float, slice_: int) -> None:
    mask = drawn(scene(tmp_path, {"Box": [square(9.5, 12.5, z)]}), "box")
    assert mask.any(axis=(1, 2)).nonzero()[0].tolist() == [slice_]


def test_of_several_planes_at_one_slice_the_nearest_counts(tmp_path: Path) -> None:
    rois = {"Box": [square(9.5, 12.5, 5.5), square(9.5, 11.5, 6.5), square(9.5, 14.5, 4)]}
    assert drawn(scene(tmp_path, rois), "box").sum() == 9


@pytest.mark.parametrize("z", [-3, 18])
def test_a_contour_outside_the_image_is_refused(tmp_path: Path, z: float) -> None:
    assert code_of(scene(tmp_path, {"Box": [square(9.5, 12.5, z)]}).draw) == "reference-geometry"


def test_a_contour_that_leaves_its_plane_is_refused(tmp_path: Path) -> None:
    slanted = [(0.0, 0.0, 0.0), (10.0, 40.0, 5.0), (40.0, 10.0, 10.0)]
    assert code_of(scene(tmp_path, {"Box": [slanted]}).draw) == "reference-geometry"


def test_of_many_contours_the_recipe_names_the_classes(tmp_path: Path) -> None:
    rois = {"BODY": [square(1.5, 90, 5)], "Inner": [square(9.5, 12.5, 5)], "Couch": [square(1.5, 8.5, 5)]}
    found = scene(tmp_path, rois, classes={"inner": 1, "outer": 2})
    assert found.draw().names == {"inner": 1}
    assert drawn(found, "inner").sum() == found.draw().image.array.sum() == 9
    said = " ".join(found.listing.warnings)
    assert "not name are background: body, couch" in said
    assert "no segment is called outer" in said


def test_classes_that_no_contour_has_are_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"called livr as dataset\.classes says; found are liver"):
        scene(tmp_path, {"Liver": [square(9.5, 12.5, 5)]}, classes={"livr": 1})


def test_overlapping_regions_follow_the_recipe(tmp_path: Path) -> None:
    rois = {"Outer": [square(9.5, 19.5, 5)], "Inner": [square(9.5, 12.5, 5)]}
    assert code_of(scene(tmp_path, rois, overlap="refuse").draw) == "overlapping-segments"
    owned = listed(tmp_path / "in", tmp_path / "last", overlap="last")
    assert drawn(owned, "inner").sum() == 9
    assert drawn(owned, "outer").sum() == 100 - 9


def test_a_set_without_closed_contours_refuses_its_case(tmp_path: Path) -> None:
    sources = images()
    write_series(tmp_path / "in/ct", sources)
    points = structures(sources, {"Isocentre": [[(1.0, 1.0, 5.0)]]})
    points.ROIContourSequence[0].ContourSequence[0].ContourGeometricType = "POINT"
    save(points, tmp_path / "in/rt.dcm")
    found = listed(tmp_path / "in", tmp_path / "scratch")
    assert found.rejected.pop("rt.dcm") == "no-contours"
    assert set(found.rejected.values()) == {"case-rejected"}


coordinate = st.floats(-3, 12).map(lambda value: round(value, 2) + 0.003)  # never on a voxel's centre


@given(polygon=st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=12))
@settings(max_examples=100, deadline=None)
def test_any_polygon_is_filled_by_the_even_odd_rule(polygon: list[tuple[float, float]]) -> None:
    points = np.array(polygon)
    ends = np.roll(points, -1, axis=0)
    mask = fill([points], (10, 9))
    for i in range(10):
        for j in range(9):
            crossed = (points[:, 0] <= i) != (ends[:, 0] <= i)
            at = points[crossed, 1] + (i - points[crossed, 0]) * (
                (ends - points)[crossed, 1] / (ends - points)[crossed, 0]
            )
            if np.abs(at - j).min(initial=1) > 1e-9:  # centres on an edge may be on either side of it
                assert mask[i, j] == (at < j).sum() % 2


def test_a_simple_outline_is_filled_as_matplotlib_does() -> None:
    star = np.array([[10.2, 1.1], [13.3, 8.2], [19.1, 9.4], [14.6, 13.5], [16.2, 19.3], [9.7, 15.8], [3.1, 18.6]])
    centres = np.stack(np.meshgrid(np.arange(22), np.arange(22), indexing="ij"), axis=-1).reshape(-1, 2)
    assert np.array_equal(fill([star], (22, 22)).ravel(), Outline(star).contains_points(centres))


def test_real_contours_cover_the_area_between_their_outlines(shared_data: Path, tmp_path: Path) -> None:
    found = listed(shared_data / "rtstruct", tmp_path / "scratch")
    assert found.rejected == {
        "rt-utils/invalid_reference_rt.dcm": "image-missing",
        "rt-utils/non_existent_reference_rt.dcm": "duplicate-instance",
    }
    dataset = pydicom.dcmread(shared_data / "rtstruct/rt-utils/rt.dcm")
    areas = []
    for contour in dataset.ROIContourSequence[0].ContourSequence:
        x, y, _ = np.array(contour.ContourData, float).reshape(-1, 3).T
        areas.append(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
    expected = (max(areas) - min(areas)) / 0.488281**2
    assert drawn(found, "roi_1").sum() == pytest.approx(expected, rel=0.03)


def test_contours_on_absent_images_are_refused(shared_data: Path, tmp_path: Path) -> None:
    for name in ("ct_1", "ct_2", "non_existent_reference_rt"):
        (tmp_path / "in").mkdir(exist_ok=True)
        shutil.copy(shared_data / f"rtstruct/rt-utils/{name}.dcm", tmp_path / "in")
    found = listed(tmp_path / "in", tmp_path / "scratch")
    assert found.rejected == {"non_existent_reference_rt.dcm": "image-missing"}
    assert found.listing.task == "prediction"
