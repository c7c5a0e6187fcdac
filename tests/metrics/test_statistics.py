"""Tests and resamplings on numbers whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medseg.metrics.statistics import bootstrap_means, holm, interval, kendall_tau, signed_rank_lean, wilcoxon_p

NAN = math.nan


def test_no_difference_has_p_1():
    assert wilcoxon_p([0.0, 0.0, NAN]) == 1
    assert wilcoxon_p([]) == 1
    assert wilcoxon_p([0.3 - 0.2 - 0.1]) == 1  # rounding alone


@pytest.mark.parametrize("differences", [np.linspace(0.01, 0.2, 12), np.full(12, 0.1), np.full(30, -0.1)])
def test_better_on_every_case_has_the_smallest_possible_p(differences):
    assert wilcoxon_p(differences) == pytest.approx(2 / 2 ** len(differences), rel=1e-12)


def test_equal_cases_and_undefined_ones_are_left_out():
    assert wilcoxon_p([0.1, 0.2, 0.3, 0.0, NAN]) == 2 / 2**3


def test_ranks_1_to_4_against_3():
    # 2^4 signs; the sum of the negative ranks is at most 3 for {}, {1}, {2}, {3}, {1, 2}
    assert wilcoxon_p([0.1, 0.2, -0.3, 0.4]) == 2 * 5 / 16


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-4, 4).filter(bool), min_size=1, max_size=8))
def test_p_with_ties_is_that_of_scipy(differences):
    assert wilcoxon_p(differences) == pytest.approx(stats.wilcoxon(differences).pvalue)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1, 1), max_size=7) | st.lists(st.floats(-1, 1), min_size=20, max_size=60))
def test_p_does_not_depend_on_who_comes_first(differences):
    assert wilcoxon_p(differences) == pytest.approx(wilcoxon_p([-d for d in differences]))


def test_the_test_leans_to_where_the_ranks_weigh_more():
    assert signed_rank_lean([0.1, 0.1, 0.1, -9.0]) == 1  # ranks 2, 2, 2 against 4
    assert signed_rank_lean([-0.1, -0.3, 0.2]) == -1
    assert signed_rank_lean([0.1, -0.1, 0.0, NAN]) == 0


def test_holm_multiplies_the_smallest_by_the_number_of_tests_and_keeps_the_order():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_kendalls_tau_of_equal_opposite_and_single_rankings():
    assert kendall_tau([1, 2, 3], [1, 2, 3]) == 1
    assert kendall_tau([1, 2, 3], [3, 2, 1]) == -1
    assert kendall_tau([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)
    assert math.isnan(kendall_tau([1], [1]))
    assert math.isnan(kendall_tau([1, 1], [1, 2]))


def test_equal_cases_leave_no_uncertainty():
    samples = bootstrap_means(np.full((1, 5, 2), 0.75), "abcde")
    assert interval(samples[0, 0]) == (0.75, 0.75)


def test_a_patient_s_cases_are_drawn_together():
    # two patients: a sample holds a alone, b alone, or both
    samples = bootstrap_means(np.array([[[0.0], [0.0], [1.0], [1.0]]]), ["a", "a", "b", "b"])
    assert set(np.unique(samples)) == {0.0, 0.5, 1.0}
    assert np.mean(samples == 0.5) == pytest.approx(0.5, abs=0.05)


def test_all_models_see_the_same_samples():
    one = np.random.default_rng(0).random((1, 9, 1))
    samples = bootstrap_means(np.concatenate([one, one - 0.25]), "abcdefghi")
    np.testing.assert_allclose(samples[0] - samples[1], 0.25)


def test_a_sample_without_a_class_has_no_mean_of_it():
    samples = bootstrap_means(np.array([[[1.0, NAN], [1.0, 0.0]]]), "ab")
    assert set(samples[0, 0]) == {1.0}
    assert np.isnan(samples[0, 1]).any()
    assert set(samples[0, 1][~np.isnan(samples[0, 1])]) == {0.0}


def test_one_patient_leaves_nothing_to_draw():
    samples = bootstrap_means(np.ones((2, 3, 1)), "aaa")
    assert samples.shape == (2, 1, 0)
    assert all(math.isnan(end) for end in interval(samples[0, 0]))


def test_interval_of_a_mean_is_that_of_scipy():
    values = np.random.default_rng(1).normal(0.8, 0.1, 60)
    ours = interval(bootstrap_means(values[None, :, None], [str(case) for case in range(60)])[0, 0])
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=0).confidence_interval
    np.testing.assert_allclose(ours, theirs, atol=0.002)


def test_samples_are_the_same_each_time():
    values = np.random.default_rng(0).random((2, 6, 3))
    assert (bootstrap_means(values, "abcdef") == bootstrap_means(values, "abcdef")).all()
