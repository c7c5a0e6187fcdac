"""Confusion matrices: rows by reference, columns by prediction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medseg.metrics.confusion import confusion_matrix
from medseg.metrics.overlap import overlap_counts

SHAPES = hnp.array_shapes(min_dims=2, max_dims=3, max_side=5)


def test_each_voxel_is_counted_where_its_two_classes_meet() -> None:
    reference = np.array([[0, 0, 1], [1, 2, 2]], np.uint8)
    prediction = np.array([[0, 1, 1], [1, 2, 0]], np.uint8)
    assert confusion_matrix(prediction, reference, 3).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]


@given(st.data(), st.integers(2, 40))
def test_it_holds_the_counts_of_every_class(data: st.DataObject, classes: int) -> None:
    """Beyond 16 classes the cells of the matrix no longer fit into 8 bits."""
    shape = data.draw(SHAPES)
    prediction, reference = (data.draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, classes - 1))) for _ in "ab")
    matrix = confusion_matrix(prediction, reference, classes)
    assert matrix.sum() == reference.size
    for value in range(classes):
        counts = overlap_counts(prediction == value, reference == value)
        assert matrix[value, value] == counts.tp
        assert matrix[value].sum() == counts.reference_voxels
        assert matrix[:, value].sum() == counts.prediction_voxels


def test_the_types_of_the_arrays_and_their_order_in_memory_do_not_matter() -> None:
    values = np.random.default_rng(0).integers(0, 5, (2, 4, 5, 6))
    small = confusion_matrix(values[0].astype(np.uint8), values[1].astype(np.uint8), 5)
    np.testing.assert_array_equal(confusion_matrix(np.asfortranarray(values[0]), values[1].astype(np.int16), 5), small)


@pytest.mark.parametrize("wrong", [np.full((2, 2), 3), np.full((2, 2), -1), np.zeros((2, 3), int)])
def test_a_value_that_is_no_class_and_another_shape_are_refused(wrong: np.ndarray) -> None:
    right = np.zeros((2, 2), np.uint8)
    for pair in ((wrong, right), (right, wrong)):
        with pytest.raises(ValueError, match="must hold values from 0 to 2|must have one shape"):
            confusion_matrix(*pair, classes=3)
