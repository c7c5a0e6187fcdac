"""Means that can be done in the head."""

import math
from dataclasses import replace

import pytest

from medseg.metrics.aggregate import Absence, aggregate
from medseg.metrics.case import ClassScore
from medseg.metrics.lesions import Lesions
from medseg.metrics.overlap import Counts
from medseg.metrics.table import ScoreRow

NAN = float("nan")


def row(case, class_name, dice, counts=(1, 0, 0, 1)):
    return ScoreRow(
        case, case, ClassScore(class_name, dice, dice, dice, 1.0, dice, 2.0, 3.0, 1.0, NAN, 0.0, 0.0, Counts(*counts))
    )


def test_mean_over_cases_then_over_classes():
    rows = [row("a", "liver", 1.0), row("b", "liver", 0.5), row("a", "tumour", 0.2), row("b", "tumour", NAN)]
    result = aggregate([rows])
    assert result.per_class["liver"]["dice"] == 0.75
    assert result.per_class["tumour"]["dice"] == 0.2
    assert result.scores["dice"] == pytest.approx((0.75 + 0.2) / 2)
    assert result.undefined["tumour"]["dice"] == 1
    assert result.undefined["liver"]["dice"] == 0


def test_what_one_training_invents_is_in_its_own_mean_alone():
    first = [row("a", "liver", 1.0), row("b", "liver", 0.0)]
    second = [row("a", "liver", 0.5), row("b", "liver", NAN)]
    means = aggregate([first, second])
    assert means.scores["dice"] == (1.0 / 2 + 0.5) / 2
    assert means.undefined["liver"]["dice"] == 1


def test_a_metric_that_no_case_defines_is_none():
    result = aggregate([[row("a", "liver", NAN)]])
    assert result.scores["nsd"] is None
    assert result.per_class["liver"]["dice"] is None


def test_pooled_values_come_from_summed_voxels():
    rows = [row("a", "liver", 1.0, (98, 0, 0, 2)), row("b", "liver", 0.0, (0, 0, 2, 98))]
    assert aggregate([rows]).pooled["liver"]["dice"] == pytest.approx(2 * 98 / (2 * 98 + 2))


def test_no_rows_give_no_numbers():
    assert aggregate([]).scores["dice"] is None


def absent(case, flag, invented=0):
    """A case whose reference does not hold the tumour."""
    scored = row(case, "tumour", NAN if flag == "both-empty" else 0.0, (0, invented, 0, 9 - invented))
    return replace(scored, score=replace(scored.score, flag=flag))


def test_absence_counts_the_cases_in_which_nothing_was_invented():
    rows = [absent("a", "both-empty"), absent("b", "reference-empty", invented=2), row("c", "tumour", 1.0)]
    absence = aggregate([rows]).absence["tumour"]
    assert absence == Absence(cases=2, correct=1)
    assert absence.specificity == 0.5


def test_absence_counts_every_training_of_a_case():
    absence = aggregate([[absent("a", "both-empty")], [absent("a", "reference-empty", invented=2)]]).absence["tumour"]
    assert absence == Absence(cases=2, correct=1)


def test_an_absent_class_of_a_case_that_was_not_predicted_is_no_correct_absence():
    assert aggregate([[absent("a", "not-predicted")]]).absence["tumour"] == Absence(cases=1, correct=0)


def test_a_class_that_is_never_absent_has_no_absence_specificity():
    assert math.isnan(aggregate([[row("a", "liver", 1.0)]]).absence["liver"].specificity)


def test_lesions_are_summed_over_cases_and_trainings_of_the_classes_that_have_them():
    def counted(case, *lesions):
        scored = row(case, "tumour", 1.0)
        return replace(scored, score=replace(scored.score, lesions=Lesions(*lesions)))

    first = [counted("a", 1, 0, 2), counted("b", 0, 3, 0), row("a", "liver", 1.0)]
    lesions = aggregate([first, [counted("a", 2, 0, 1)]]).lesions
    assert lesions == {"tumour": Lesions(found=3, invented=3, missed=3)}
