"""Sentences that follow from hand-made cases."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from medseg.metrics.comparing import compare
from medseg.metrics.ranking import CaseScores, Comparison
from medseg.reporting.sections.verdict import sentences, verdicts


def comparison(scores: dict[str, Sequence[float]], seed_spread: float = math.nan) -> Comparison:
    """Models by Dice over cases of one patient each, one class."""
    cases = tuple(f"case_{number:02d}" for number in range(len(next(iter(scores.values())))))
    values = tuple(np.array(one, dtype=np.float64)[None, :, None] for one in scores.values())
    spreads = (seed_spread,) * len(scores)
    return compare([CaseScores("dice", tuple(scores), cases, cases, ("liver",), values, 1.0, spreads)])


def spread_out(mean: float, cases: int = 20) -> list[float]:
    return list(mean + np.linspace(-0.05, 0.05, cases))


def test_a_model_that_is_better_in_every_case_leads_significantly():
    text = " ".join(sentences(comparison({"a": spread_out(0.9), "b": spread_out(0.88)}, seed_spread=0.001)))
    assert text.startswith("a is first with mean Dice 0.900 [")
    assert "its lead over b is 0.020 Dice [0.020, 0.020], significant after Holm correction (p < 0.001)" in text
    assert "larger than the spread between trainings, 0.001." in text


def test_a_lead_that_changes_sides_tells_nothing():
    waves = [0.9 + 0.02 * (-1) ** number for number in range(20)]
    text = " ".join(sentences(comparison({"a": waves, "b": [*waves[1:], 0.95], "c": spread_out(0.5)})))
    assert "b is first" in text
    assert "but it and a cannot be told apart" in text
    assert "without a second training" in text
    assert text.endswith("c is significantly worse than b.")


def test_equal_models_share_the_first_place():
    same = spread_out(0.9)
    text = " ".join(sentences(comparison({"a": same, "b": same, "c": same, "d": spread_out(0.5)})))
    assert "a, b and c share the first place" in text
    assert text.endswith("d is significantly worse than a.")


def test_one_lost_case_against_many_small_gains_is_no_verdict():
    better = [score + 0.01 for score in spread_out(0.9)]
    found = comparison({"a": [*better[:-1], 0.0], "b": spread_out(0.9)})
    text = " ".join(sentences(found))
    assert "b is first" in text
    assert "but a is better in most cases" in text
    assert found.pairs[0].p_holm < 0.05
    assert not found.pairs[0].significant


def test_a_lead_of_most_cases_whose_mean_is_unsure_says_both():
    better = [score + 0.01 for score in spread_out(0.9)]
    text = " ".join(sentences(comparison({"a": [*better[:-1], 0.85], "b": spread_out(0.9)})))
    assert "a is first" in text
    assert "significant after Holm correction" in text
    assert "although the interval of the lead holds 0: most cases lean its way, and a few go far the other way;" in text


def test_five_cases_can_prove_nothing():
    few = " ".join(sentences(comparison({"a": spread_out(0.9, 5), "b": spread_out(0.5, 5)})))
    assert "With 5 test cases no difference can be significant" in few  # 2 / 2^5 > 0.05
    enough = comparison({"a": spread_out(0.9, 6), "b": spread_out(0.5, 6)})
    assert "no difference can be" not in " ".join(sentences(enough))
    assert enough.pairs[0].significant


def test_one_model_has_nothing_to_be_compared_with():
    assert sentences(comparison({"a": [0.9, 0.8]}))[0].startswith("a is the only model with a full result")


def test_nothing_defined_has_no_ranking():
    assert sentences(comparison({"a": [math.nan], "b": [math.nan]})) == [
        "No test case defines Dice, so there is no ranking."
    ]


def test_groups_are_named_where_there_are_two():
    one = comparison({"a": [0.9]})
    assert [heading for heading, _ in verdicts({"scratch": one})] == [""]
    assert [heading for heading, _ in verdicts({"scratch": one, "pretrained": one})] == [
        "Trained from scratch",
        "From pretrained weights",
    ]
