"""Slices and run lengths of the UW-Madison GI tract data become volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medseg.data.layouts.run_lengths import decode
from medseg.errors import RecipeError, RejectedFileError
from tests.data.layouts.reading import Listed
from tests.data.scenes import write_picture

ROWS, COLUMNS = 2, 3


def slice_name(number: int, case: str = "case1_day0") -> str:
    folder = f"train/{case.split('_')[0]}/{case}/scans"
    return f"{folder}/slice_{number:04d}_{COLUMNS}_{ROWS}_1.50_2.50.png"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three slices of one case: slice k holds 1000 * k plus the place of the pixel."""
    root = tmp_path / "source"
    for number in (1, 2, 3):
        pixels = 1000 * number + np.arange(6, dtype=np.uint16).reshape(ROWS, COLUMNS)
        write_picture(root / slice_name(number), pixels)
    write_table(root, {("0001", "stomach"): "1 2", ("0003", "stomach"): "6 1", ("0003", "bowel"): "4 1"})
    return root


def write_table(root: Path, runs: dict[tuple[str, str], str]) -> None:
    numbers = [f"{number:04d}" for number in range(1, 4)]
    rows = [f"case1_day0_slice_{n},{name},{runs.get((n, name), '')}" for n in numbers for name in ("bowel", "stomach")]
    (root / "train.csv").write_text("\n".join(["id,class,segmentation", *rows]) + "\n")


def code(found: Listed) -> str:
    with pytest.raises(RejectedFileError) as caught:
        found.reference()
    assert caught.value.path == found.source.root / "train.csv"
    return caught.value.code


@given(mask=arrays.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_any_mask_is_read_back_from_its_runs(mask: np.ndarray) -> None:
    flat = np.concatenate([[0], mask.ravel().astype(int), [0]])
    starts, ends = np.flatnonzero(np.diff(flat) == 1), np.flatnonzero(np.diff(flat) == -1)
    runs = " ".join(f"{start + 1} {end - start}" for start, end in zip(starts, ends, strict=True))
    assert np.array_equal(decode(runs, *mask.shape), mask)


def test_slices_are_stacked_in_order_with_the_spacing_of_their_names(root: Path) -> None:
    found = Listed(root)
    assert (found.layout.name, found.names, found.cases[0].patient) == ("uw-madison", ["case1_day0"], "case1")
    image = found.image().image
    assert image.geometry.spacing_mm == (1.5, 2.5, 3.0)
    assert image.array.dtype == np.uint16
    assert image.array[0, -1, -1].tolist() == [1000, 2000, 3000]  # the first pixel of each slice
    assert np.allclose(image.affine @ (COLUMNS - 1, ROWS - 1, 2, 1), (0, 0, 6, 1))


def test_runs_are_one_based_and_go_along_the_rows(root: Path) -> None:
    found = Listed(root)
    reference = found.reference()
    assert found.listing.classes == reference.names == {"bowel": 1, "stomach": 2}
    drawn = [reference.image.array[0, ::-1, ::-1, k].T.tolist() for k in range(3)]
    assert drawn == [[[2, 2, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]], [[0, 0, 0], [1, 0, 2]]]
    assert np.array_equal(reference.image.affine, found.image().image.affine)


def test_the_slice_thickness_is_a_setting_and_is_said(root: Path) -> None:
    assert "taken as 3 mm" in Listed(root).listing.warnings[0]
    thick = Listed(root, {"name": "uw-madison", "slice_thickness_mm": 5})
    assert thick.image().image.geometry.spacing_mm[2] == 5
    with pytest.raises(RecipeError, match="slice_thickness_mm = 0"):
        Listed(root, {"name": "uw-madison", "slice_thickness_mm": 0})


def test_missing_slices_leave_the_case_out_and_are_named(root: Path) -> None:
    (root / slice_name(2)).unlink()
    found = Listed(root)
    assert set(found.codes.values()) == {"slice-gap"}
    assert next(iter(found.listing.rejected)).reason == "1 of its slices have no file: 2"


def test_a_case_that_the_table_does_not_know_is_left_out(root: Path) -> None:
    write_picture(root / slice_name(1, "case2_day5"), np.zeros((ROWS, COLUMNS), np.uint16))
    found = Listed(root)
    assert found.names == ["case1_day0"]
    assert found.codes == {slice_name(1, "case2_day5"): "reference-missing"}


@pytest.mark.parametrize("runs", ["6 2", "0 1", "1", "1 x", "1 -1", "7 1", "9999999999999999999 1"])
def test_runs_outside_of_the_picture_are_refused(root: Path, runs: str) -> None:
    write_table(root, {("0002", "bowel"): runs})
    assert code(Listed(root)) == "unreadable-runs"


def test_classes_that_overlap_are_refused_or_ordered(root: Path) -> None:
    write_table(root, {("0002", "bowel"): "1 2", ("0002", "stomach"): "2 2"})
    assert code(Listed(root, overlap="refuse")) == "overlapping-segments"
    last = Listed(root, overlap="last").reference().image.array[0, ::-1, -1, 1]
    first = Listed(root, overlap="first").reference().image.array[0, ::-1, -1, 1]
    assert (first.tolist(), last.tolist()) == ([1, 1, 2], [1, 2, 2])


def test_a_slice_of_another_size_than_its_name_says_is_refused(root: Path) -> None:
    write_picture(root / slice_name(2), np.zeros((COLUMNS, ROWS), np.uint16))
    found = Listed(root)
    with pytest.raises(RejectedFileError) as caught:
        found.image()
    assert (caught.value.code, caught.value.path) == ("shape-mismatch", root / slice_name(2))
