"""Rankings of hand-made scores whose order and certainty are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.metrics.comparing import compare, competition_ranks, pareto_front
from medseg.metrics.ranking import CaseScores, Comparison, Pair, Standing

NAN = math.nan
TEN = np.linspace(0.5, 0.95, 10)


def scores(spread: float = NAN, metric: str = "dice", best: float = 1.0, **models) -> CaseScores:
    """Models by name with (cases,) or (cases, classes) values of one training; every case is of another patient."""
    values = tuple(np.asarray(v, dtype=float).reshape(1, len(v), -1) for v in models.values())
    _, case_count, class_count = values[0].shape
    cases = tuple(f"case_{index}" for index in range(case_count))
    classes = tuple(f"class_{index}" for index in range(class_count))
    return CaseScores(metric, tuple(models), cases, cases, classes, values, best, (spread,) * len(models))


def standings(comparison: Comparison, metric: str = "dice") -> dict[str, Standing]:
    return {standing.model: standing for standing in comparison.rankings[metric].standings}


def only_pair(comparison: Comparison) -> Pair:
    (pair,) = comparison.pairs
    return pair


def test_two_equal_models_tie():
    comparison = compare([scores(b=TEN, a=TEN)])
    pair = only_pair(comparison)
    assert (pair.difference, pair.low, pair.high, pair.p, pair.p_holm, pair.significant) == (0, 0, 0, 1, 1, False)
    assert [(s.model, s.rank, s.rank_by_mean_rank, s.mean_rank) for s in comparison.rankings["dice"].standings] == [
        ("a", 1, 1, 1.5),
        ("b", 1, 1, 1.5),
    ]
    np.testing.assert_array_equal(comparison.rankings["dice"].rank_shares, [[1, 0], [1, 0]])


def test_better_on_every_case_wins_with_the_smallest_possible_p():
    comparison = compare([scores(worse=TEN - 0.1, better=TEN)])
    pair = only_pair(comparison)
    assert (pair.first, pair.second, pair.significant) == ("better", "worse", True)
    assert pair.p == pair.p_holm == 2 / 2**10
    assert pair.difference == pytest.approx(0.1)
    ranking = comparison.rankings["dice"]
    assert (ranking.tau_bootstrap, ranking.tau_methods) == (1, 1)
    np.testing.assert_array_equal(ranking.rank_shares, [[1, 0], [0, 1]])


def test_small_distances_are_better():
    comparison = compare([scores(metric="hd95_mm", best=0.0, far=10 * TEN, near=TEN)])
    assert comparison.rankings["hd95_mm"].standings[0].model == "near"
    assert only_pair(comparison).first == "near"


def test_holm_counts_pairs_and_metrics():
    models = {"a": TEN, "b": TEN - 0.1, "c": TEN - 0.2}
    comparison = compare([scores(**models), scores(metric="nsd", **models)])
    assert len(comparison.pairs) == 6
    assert {pair.p_holm for pair in comparison.pairs} == {6 * 2 / 2**10}
    assert comparison.tau_metrics == {("dice", "nsd"): 1}


def test_the_mean_and_the_cases_may_disagree():
    # a is slightly better nine times and fails once
    comparison = compare([scores(a=[0.91] * 9 + [0.0], b=[0.9] * 10)])
    by_model = standings(comparison)
    assert (by_model["b"].rank, by_model["a"].rank) == (1, 2)
    assert (by_model["a"].rank_by_mean_rank, by_model["b"].rank_by_mean_rank) == (1, 2)
    assert by_model["a"].mean_rank == pytest.approx(1.1)
    assert comparison.rankings["dice"].tau_methods == -1


@pytest.mark.parametrize(("best", "sign"), [(1.0, 1), (0.0, -1)])
def test_where_cases_and_means_disagree_nothing_is_significant(best, sign):
    level = np.linspace(0.5, 0.7, 20)
    many = level + sign * np.linspace(0.01, 0.02, 20)
    many[0] = 0.5 - sign * 10
    pair = only_pair(compare([scores(best=best, many=many, level=level)]))
    assert (pair.first, pair.opposed, pair.significant) == ("level", True, False)
    assert pair.p_holm < 0.05


def test_inventing_an_absent_class_costs_the_case():
    # in the last five cases the class is absent: a predicts nothing, b invents it
    comparison = compare([scores(a=[*TEN[:5], *[NAN] * 5], b=[*TEN[:5], *[0.0] * 5])])
    pair = only_pair(comparison)
    assert (pair.first, pair.cases, pair.p) == ("a", 10, 2 / 2**5)
    assert standings(comparison)["a"].mean == pytest.approx(TEN[:5].mean())


def test_a_training_that_invents_costs_its_own_mean_alone():
    # the class is absent in the last five cases; one of the two trainings invents it there
    rightly, invented = [*TEN[:5], *[NAN] * 5], [*TEN[:5], *[0.0] * 5]
    both = np.array([rightly, invented])[:, :, None]
    other = replace(scores(a=TEN, b=TEN), values=(both, both[:1]))
    comparison = compare([other])
    by_model = standings(comparison)
    assert by_model["b"].mean == pytest.approx(TEN[:5].mean())
    assert by_model["a"].mean == pytest.approx(0.75 * TEN[:5].mean())  # of m and m / 2
    assert only_pair(comparison).p == 2 / 2**5


def test_cases_that_nobody_defines_are_no_cases():
    pair = only_pair(compare([scores(a=[*TEN, NAN], b=[*(TEN - 0.1), NAN])]))
    assert pair.cases == 10


def test_classes_count_alike_however_often_they_are_there():
    many, one = [1.0, NAN], [1.0, 0.5]
    assert standings(compare([scores(a=[many, many, one])]))["a"].mean == 0.75


def test_a_metric_that_nothing_defines_is_left_out():
    comparison = compare([scores(a=TEN, b=TEN), scores(metric="nsd", a=[NAN] * 10, b=[NAN] * 10)])
    assert list(comparison.rankings) == ["dice"]


def test_one_model_and_one_case():
    comparison = compare([scores(unet=[0.8])])
    (standing,) = comparison.rankings["dice"].standings
    assert (standing.rank, standing.rank_low, standing.rank_high, standing.mean) == (1, None, None, 0.8)
    assert comparison.rankings["dice"].rank_shares.shape == (1, 0)
    assert math.isnan(standing.low)
    assert comparison.pairs == ()
    assert comparison.tau_metrics == {}


def test_two_models_on_one_case_cannot_be_told_apart():
    pair = only_pair(compare([scores(a=[0.9], b=[0.1])]))
    assert (pair.p, pair.significant) == (1, False)
    assert math.isnan(pair.low)


def test_seed_spread_of_a_gap_adds_in_squares():
    assert only_pair(compare([scores(spread=0.03, a=TEN, b=TEN)])).seed_spread == pytest.approx(0.03 * math.sqrt(2))
    assert math.isnan(only_pair(compare([scores(a=TEN, b=TEN)])).seed_spread)


def test_uncertain_ranks_are_shared():
    rng = np.random.default_rng(0)
    ranking = compare([scores(a=rng.random(20), b=rng.random(20), c=rng.random(20))]).rankings["dice"]
    np.testing.assert_allclose(ranking.rank_shares.sum(axis=1), 1)
    assert all(standing.rank_low <= standing.rank <= standing.rank_high for standing in ranking.standings)
    assert ranking.tau_bootstrap < 1


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(["a", "b", "c"]))
def test_the_order_in_which_models_are_given_changes_nothing(seed, order):
    rng = np.random.default_rng(seed)
    models = {name: rng.random((6, 2)).round(1) for name in "abc"}
    one, other = compare([scores(**models)]), compare([scores(**{name: models[name] for name in order})])
    assert [(s.model, s.rank) for s in one.rankings["dice"].standings] == [
        (s.model, s.rank) for s in other.rankings["dice"].standings
    ]
    assert [(p.first, p.second, p.p) for p in one.pairs] == [(p.first, p.second, p.p) for p in other.pairs]


def test_ranks_share_the_better_place_and_nan_comes_last():
    np.testing.assert_array_equal(competition_ranks(np.array([0.5, NAN, 0.9, 0.5]), best=1), [2, 4, 1, 2])
    np.testing.assert_array_equal(competition_ranks(np.array([0.5, NAN, 0.9, 0.5]), best=0), [1, 4, 3, 1])


def test_the_pareto_front_holds_what_nothing_else_beats():
    quality = np.array([0.9, 0.8, 0.8, 0.7, NAN])
    cost = np.array([10.0, 5.0, 6.0, 5.0, 1.0])
    np.testing.assert_array_equal(pareto_front(quality, cost), [True, True, False, False, False])


def test_equal_models_share_the_pareto_front():
    assert pareto_front(np.array([0.9, 0.9]), np.array([1.0, 1.0])).all()
