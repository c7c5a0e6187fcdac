"""Which cases a report shows, by scores that are given."""

from __future__ import annotations

import math

from medseg.metrics.case import METRICS, ClassScore
from medseg.metrics.overlap import Counts
from medseg.metrics.table import ScoreRow
from medseg.reporting.cases import chosen_cases, most_disagreed
from medseg.reporting.results import UnitResult

NONE = Counts(0, 0, 0, 0)


def unit(model: str, dice: dict[str, float]) -> UnitResult:
    """A training with a Dice per case."""
    undefined = dict.fromkeys(METRICS, math.nan)
    scores = {case: ClassScore("liver", **{**undefined, "dice": value}, counts=NONE) for case, value in dice.items()}
    rows = [ScoreRow(case, case, score) for case, score in scores.items()]
    return UnitResult(model, 0, 0, "", "succeeded", "", rows=rows)


def test_best_median_and_worst():
    shown = chosen_cases(unit("unet", {"a": 0.5, "b": 0.9, "c": 0.7, "d": math.nan}))
    places = {case.place: (case.case, case.dice) for case in shown}
    assert places == {"best": ("b", 0.9), "median": ("c", 0.7), "worst": ("a", 0.5)}


def test_fewer_cases_have_fewer_places():
    assert [case.place for case in chosen_cases(unit("unet", {"a": 0.5, "b": 0.9}))] == ["best", "worst"]
    assert [case.place for case in chosen_cases(unit("unet", {"a": 0.5}))] == ["only"]
    assert chosen_cases(unit("unet", {"a": math.nan})) == []


def test_models_disagree_most_where_their_dice_is_spread():
    units = [
        unit("one", {"equal": 0.5, "near": 0.8, "far": 0.9, "far too": 0.9, "farthest": 1.0}),
        unit("two", {"equal": 0.5, "near": 0.7, "far": 0.3, "far too": 0.3, "farthest": 0.0}),
    ]
    found = most_disagreed(units)
    assert [disagreement.case for disagreement in found] == ["farthest", "far", "far too"]
    assert found[0].spread == 0.5
    assert [entry.dice for entry in found[0].entries] == [1.0, 0.0]


def test_a_single_model_agrees_with_itself():
    assert most_disagreed([unit("one", {"a": 0.5, "b": 0.9})]) == []
