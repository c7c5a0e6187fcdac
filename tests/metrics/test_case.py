"""Scores of whole cases, class by class."""

import math

import numpy as np
import pytest

from medseg.metrics.case import METRICS, Scoring, score_case, worst_scores

LABELS = {"liver": 1, "tumour": 2}
SPACING_MM = (1.0, 1.0, 5.0)


def volume(*rows):
    """One slice of 3 x 4 voxels, diagonal 5 mm."""
    return np.array(rows, dtype=np.uint8)[:, :, None]


REFERENCE = volume([1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0])


def test_each_class_is_scored_with_its_own_tolerance():
    prediction = volume([0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 2])
    liver, tumour = score_case(prediction, REFERENCE, SPACING_MM, LABELS, Scoring({"liver": 1.0}))
    assert (liver.class_name, liver.dice, liver.hd95_mm, liver.nsd, liver.flag) == ("liver", 0.5, 1.0, 1.0, "")
    assert (tumour.dice, tumour.hd95_mm, tumour.flag) == (0, 5.0, "reference-empty")
    assert math.isnan(tumour.nsd)


def test_flags_say_which_mask_is_empty():
    liver, tumour = score_case(volume([0] * 4, [0] * 4, [0] * 4), REFERENCE, SPACING_MM, LABELS, Scoring({}))
    assert (liver.flag, liver.dice, liver.hd95_mm) == ("prediction-empty", 0, 5.0)
    assert tumour.flag == "both-empty"
    assert math.isnan(tumour.dice)


def test_a_case_that_was_not_predicted_scores_worst():
    scores = worst_scores(REFERENCE, SPACING_MM, LABELS, Scoring({"liver": 1.0, "tumour": 1.0}))
    for score in scores:
        assert [getattr(score, m) for m in METRICS[:9]] == [0, 0, 0, 0, 0, 5.0, 5.0, 5.0, 0]
        assert score.flag == "not-predicted"
    assert (scores[0].counts.fn, scores[0].counts.prediction_voxels) == (4, 0)


def test_worst_is_never_better_than_an_empty_prediction():
    empty = score_case(np.zeros_like(REFERENCE), REFERENCE, SPACING_MM, {"liver": 1}, Scoring({"liver": 1.0}))[0]
    worst = worst_scores(REFERENCE, SPACING_MM, {"liver": 1}, Scoring({"liver": 1.0}))[0]
    assert worst.hd95_mm == pytest.approx(empty.hd95_mm)
    assert all(getattr(worst, m) <= getattr(empty, m) for m in METRICS if m != "hd95_mm")
