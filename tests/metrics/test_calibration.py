"""Calibration of foreground probability, in scenes that can be counted."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.metrics.calibration import BINS, EDGES, calibration, expected_calibration_error


def scene(*parts: tuple[float, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Voxels in a row; each part has a probability, so many voxels of foreground, and of background."""
    probability = np.concatenate([np.full(inside + outside, value) for value, inside, outside in parts])
    reference = np.concatenate([np.repeat([2, 0], (inside, outside)) for _, inside, outside in parts])
    return probability.astype(np.float32).reshape(1, -1), reference.astype(np.uint8).reshape(1, -1)


def error_of(*parts: tuple[float, int, int]) -> float:
    return expected_calibration_error(calibration(*scene(*parts)).bins())


def test_probabilities_that_come_true_have_no_error() -> None:
    assert error_of((0.0, 0, 1000), (0.25, 1, 3), (0.5, 2, 2), (0.75, 3, 1), (1.0, 7, 0)) == 0


def test_the_error_is_the_distance_from_the_truth_weighted_by_voxels() -> None:
    """Three voxels at 0.5 are all foreground, one at 0.75 is none."""
    assert error_of((0.5, 3, 0), (0.75, 0, 1)) == pytest.approx((3 * 0.5 + 0.75) / 4)


def test_background_that_nobody_doubts_hides_nothing() -> None:
    assert error_of((0.0, 0, 10**6), (0.75, 0, 4)) == pytest.approx(0.75)


def test_without_any_doubt_there_is_no_error_to_speak_of() -> None:
    assert math.isnan(error_of((0.0, 1, 9)))


def test_a_probability_on_an_edge_begins_its_bin_and_1_ends_the_last() -> None:
    """As 32-bit numbers: 0.7 is then less than 0.7 in 64 bits."""
    found = calibration(np.array([EDGES], np.float32), np.zeros((1, len(EDGES)), np.uint8))
    assert found.voxels.tolist() == [1] * (BINS - 1) + [2]


def test_a_bin_tells_its_edges_its_mean_and_its_truth() -> None:
    bins = calibration(*scene((0.0, 1, 3), (0.32, 1, 1), (0.38, 2, 0))).bins()
    assert [(one.low, one.high) for one in bins] == list(pairwise(EDGES))
    assert (bins[0].voxels, bins[0].probability, bins[0].foreground) == (4, 0, 0.25)
    assert (bins[4].low, bins[4].voxels, bins[4].foreground) == (0.3, 4, 0.75)
    assert bins[4].probability == pytest.approx(0.35)
    assert (bins[-1].voxels, bins[-1].probability, bins[-1].foreground) == (0, None, None)


@given(st.integers(0, 2**32 - 1))
def test_cases_add_up_to_the_voxels_of_all(seed: int) -> None:
    random = np.random.default_rng(seed)
    probability = random.random((6, 5, 4), np.float32) ** 3
    reference = random.integers(0, 3, (6, 5, 4)).astype(np.uint8)
    parts = calibration(probability[:2], reference[:2]) + calibration(probability[2:], reference[2:])
    whole = calibration(probability, reference)
    np.testing.assert_array_equal(parts.voxels, np.histogram(probability, EDGES)[0])
    np.testing.assert_array_equal(parts.foreground, np.histogram(probability[reference > 0], EDGES)[0])
    np.testing.assert_allclose(parts.probability, whole.probability)
    assert parts.voxels.sum() == probability.size


def test_arrays_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="must have one shape"):
        calibration(np.zeros((2, 2), np.float32), np.zeros((2, 3), np.uint8))
