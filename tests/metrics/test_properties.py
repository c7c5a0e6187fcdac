"""Rules that hold for every pair of masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.metrics.case import METRICS
from tests.metrics.scenes import pairs, score

SYMMETRIC = ("dice", "iou", "hd95_mm", "hd_mm", "assd_mm", "nsd", "volume_error_ml")
IN_THE_BOX = tuple(metric for metric in METRICS if metric != "specificity")  # depends on how much is around
SURFACES = st.sampled_from(["voxel", "surfel"])

some = settings(max_examples=25, deadline=None)


def values(scored, metrics=METRICS):
    return {metric: getattr(scored, metric) for metric in metrics}


def close_to(scored, metrics=METRICS):
    return pytest.approx(values(scored, metrics), rel=1e-5, nan_ok=True)


@some
@given(pairs(), SURFACES)
def test_prediction_and_reference_may_be_swapped(pair, surface):
    prediction, reference, spacing_mm = pair
    one = score(prediction, reference, spacing_mm, surface=surface)
    other = score(reference, prediction, spacing_mm, surface=surface)
    assert values(one, SYMMETRIC) == close_to(other, SYMMETRIC)
    assert (one.sensitivity, one.counts.fp) == (other.precision, other.counts.fn)
    assert (one.lesions.found, one.lesions.invented) == (other.lesions.found, other.lesions.missed)


@some
@given(pairs(), SURFACES, st.data())
def test_masks_may_lie_anywhere_in_a_larger_image(pair, surface, data):
    *masks, spacing_mm = pair
    margins = [data.draw(st.tuples(st.integers(0, 4), st.integers(0, 4))) for _ in spacing_mm]
    larger = score(*(np.pad(mask, margins) for mask in masks), spacing_mm, surface=surface)
    assert values(larger, IN_THE_BOX) == close_to(score(*masks, spacing_mm, surface=surface), IN_THE_BOX)


@some
@given(pairs(), SURFACES, st.randoms())
def test_axes_may_be_permuted_and_turned_with_their_spacing(pair, surface, random):
    *masks, spacing_mm = pair
    order = random.sample(range(len(spacing_mm)), len(spacing_mm))
    flipped = random.randrange(len(order))
    turned = [np.flip(mask.transpose(order), flipped) for mask in masks]
    permuted = score(*turned, [spacing_mm[axis] for axis in order], surface=surface)
    assert values(permuted) == close_to(score(*masks, spacing_mm, surface=surface))


@some
@given(pairs(), SURFACES, st.floats(0.05, 20))
def test_metrics_keep_their_order_and_range(pair, surface, tolerance_mm):
    scored = score(*pair, tolerance_mm, surface)
    assert scored.dice == pytest.approx(2 * scored.iou / (1 + scored.iou))
    assert scored.hd_mm >= scored.hd95_mm >= 0
    assert scored.hd_mm >= scored.assd_mm >= 0
    assert 0 <= score(*pair, tolerance_mm / 2, surface).nsd <= scored.nsd <= 1
    assert score(*pair, scored.hd_mm, "voxel").nsd == 1


@some
@given(pairs(), SURFACES)
def test_a_copy_is_perfect(pair, surface):
    _, reference, spacing_mm = pair
    scored = score(reference, reference, spacing_mm, tolerance_mm=0.0, surface=surface)
    assert [scored.dice, scored.nsd, scored.hd_mm, scored.assd_mm, scored.volume_error_ml] == [1, 1, 0, 0, 0]
    assert scored.lesions.missed == scored.lesions.invented == 0
