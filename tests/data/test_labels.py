"""Source values become consecutive class values, or are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.data.image import Image
from medseg.data.labels import Reference, canonical_labels, checked_classes, encode, found_classes, slug, values_of
from medseg.errors import DataError, RejectedFileError


def drawn(*values: int, **kind: object) -> Reference:
    return Reference(Image(np.array(values).reshape(1, -1, 1, 1), np.eye(4)), **kind)  # type: ignore[arg-type]


def encoded(reference: Reference, classes: dict[str, int]) -> list[int]:
    array, _ = encode(reference, classes)
    assert array.dtype == np.uint8
    return array.ravel().tolist()


def test_classes_are_numbered_by_their_source_value() -> None:
    classes = checked_classes({"tumour": 205, "organ": 7, "background": 0}, "recipe")
    assert canonical_labels(classes) == {"background": 0, "organ": 1, "tumour": 2}
    assert encoded(drawn(0, 205, 7, 7), classes) == [0, 2, 1, 1]


@given(st.lists(st.integers(1, 65535), min_size=1, max_size=5, unique=True), st.data())
def test_every_known_value_maps_to_its_rank(values: list[int], data: st.DataObject) -> None:
    classes = checked_classes({f"c{value}": value for value in values}, "recipe")
    voxels = data.draw(st.lists(st.sampled_from([0, *values]), min_size=1))
    assert encoded(drawn(*voxels), classes) == [([0, *sorted(values)]).index(voxel) for voxel in voxels]


def test_unknown_value_is_refused_naming_value_and_choices() -> None:
    with pytest.raises(RejectedFileError, match=r"unknown-class-value.* 7; known are 0, 1 \(a\), 2 \(b\)"):
        encode(drawn(0, 1, 7), {"a": 1, "b": 2})
    with pytest.raises(RejectedFileError, match="-1"):
        encode(drawn(0, -1), {"a": 1})


def test_empty_reference_is_fine() -> None:
    assert encoded(drawn(0, 0), {"a": 1}) == [0, 0]


def test_one_class_may_be_drawn_with_any_grey_level() -> None:
    assert encoded(drawn(0, 255, drawn=True), {"lung": 1}) == [0, 1]
    assert encoded(drawn(0, 1, drawn=True), {"lung": 255}) == [0, 1]
    with pytest.raises(RejectedFileError):
        encode(drawn(0, 255), {"lung": 1})  # a volume means its values


def test_grey_edges_are_cut_at_half_of_the_brightest_with_a_warning() -> None:
    array, warning = encode(drawn(0, 99, 101, 200, drawn=True), {"lung": 255})
    assert array.ravel().tolist() == [0, 0, 1, 1]
    assert "above 100" in warning


def test_noise_of_an_empty_jpeg_mask_is_no_class() -> None:
    assert encoded(drawn(0, 1, 3, drawn=True, lossy=True), {"lung": 255}) == [0, 0, 0]


def test_segments_are_matched_by_name() -> None:
    reference = drawn(0, 1, 2, names={"spleen": 1, "liver": 2})
    assert encoded(reference, {"liver": 1, "spleen": 2}) == [0, 2, 1]
    with pytest.raises(RejectedFileError, match="'spleen'; known classes are liver"):
        encode(reference, {"liver": 1})


def test_classes_are_found_from_values() -> None:
    assert found_in(drawn(0, 1), drawn(2, 0)) == {"class_1": 1, "class_2": 2}
    assert found_in(drawn(0, 255, drawn=True)) == {"foreground": 255}
    assert found_in(drawn(*range(200), drawn=True)) == {"foreground": 255}
    assert found_in(drawn(0)) == {}


def found_in(*references: Reference) -> dict[str, int]:
    return found_classes(values_of(reference) for reference in references)


@pytest.mark.parametrize("classes", [{}, {"a": 1, "b": 1}, {"a": -1}, {"a": 70000}])
def test_impossible_classes_are_refused(classes: dict[str, int]) -> None:
    with pytest.raises(DataError, match="recipe"):
        checked_classes(classes, "recipe")


def test_slug() -> None:
    assert slug("Left Kidney (adult)") == "left_kidney_adult"
