"""Counts and ratios on masks that can be counted by eye."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from medseg.metrics.overlap import Counts, overlap_counts

masks = arrays(bool, (3, 4))


def test_two_of_three_pixels_found_and_one_too_many():
    reference = np.array([[1, 1, 1, 0, 0]], dtype=bool)
    prediction = np.array([[0, 1, 1, 1, 0]], dtype=bool)
    counts = overlap_counts(prediction, reference)
    assert counts == Counts(tp=2, fp=1, fn=1, tn=1)
    assert counts.dice == pytest.approx(2 / 3)
    assert counts.iou == pytest.approx(0.5)
    assert counts.sensitivity == pytest.approx(2 / 3)
    assert counts.specificity == pytest.approx(0.5)
    assert counts.precision == pytest.approx(2 / 3)


def test_both_empty_leaves_the_overlap_undefined():
    counts = Counts(tp=0, fp=0, fn=0, tn=9)
    assert all(math.isnan(v) for v in (counts.dice, counts.iou, counts.sensitivity, counts.precision))
    assert counts.specificity == 1


def test_empty_prediction_of_something_is_worst():
    counts = Counts(tp=0, fp=0, fn=4, tn=5)
    assert (counts.dice, counts.iou, counts.sensitivity, counts.precision) == (0, 0, 0, 0)


def test_prediction_of_something_absent_is_worst_but_misses_nothing():
    counts = Counts(tp=0, fp=4, fn=0, tn=5)
    assert (counts.dice, counts.iou, counts.precision) == (0, 0, 0)
    assert math.isnan(counts.sensitivity)


def test_reference_that_fills_the_image_has_no_specificity():
    assert math.isnan(Counts(tp=9, fp=0, fn=0, tn=0).specificity)


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(2, 3\)"):
        overlap_counts(np.zeros((2, 2), bool), np.zeros((2, 3), bool))


@given(masks, masks)
def test_counts_cover_the_image_and_dice_follows_from_iou(prediction, reference):
    counts = overlap_counts(prediction, reference)
    assert counts.tp + counts.fp + counts.fn + counts.tn == reference.size
    assert counts.reference_voxels == reference.sum()
    assert counts.prediction_voxels == prediction.sum()
    if reference.any() or prediction.any():
        assert counts.dice == pytest.approx(2 * counts.iou / (1 + counts.iou))
