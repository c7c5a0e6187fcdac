"""Means that can be done in the head."""

import pytest

from medseg.metrics.aggregate import aggregate
from medseg.metrics.case import ClassScore
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


def test_seeds_are_averaged_per_case_before_cases():
    first = [row("a", "liver", 1.0), row("b", "liver", 0.0)]
    second = [row("a", "liver", 0.5), row("b", "liver", NAN)]
    assert aggregate([first, second]).scores["dice"] == (0.75 + 0.0) / 2


def test_a_metric_that_no_case_defines_is_none():
    result = aggregate([[row("a", "liver", NAN)]])
    assert result.scores["nsd"] is None
    assert result.per_class["liver"]["dice"] is None


def test_pooled_values_come_from_summed_voxels():
    rows = [row("a", "liver", 1.0, (98, 0, 0, 2)), row("b", "liver", 0.0, (0, 0, 2, 98))]
    assert aggregate([rows]).pooled["liver"]["dice"] == pytest.approx(2 * 98 / (2 * 98 + 2))


def test_no_rows_give_no_numbers():
    assert aggregate([]).scores["dice"] is None
