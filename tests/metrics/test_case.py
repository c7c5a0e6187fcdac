"""Scores of whole cases, class by class."""

import math

import numpy as np
import pytest

from medseg.metrics.case import BEST, METRICS, Scoring, score_case, worst_scores
from tests.metrics.scenes import score

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
    for worst in scores:
        assert [getattr(worst, m) for m in METRICS[:9]] == [0, 0, 0, 0, 0, 5.0, 5.0, 5.0, 0]
        assert worst.flag == "not-predicted"
    assert (scores[0].counts.fn, scores[0].counts.prediction_voxels) == (4, 0)


def test_worst_is_never_better_than_an_empty_prediction():
    empty = score_case(np.zeros_like(REFERENCE), REFERENCE, SPACING_MM, {"liver": 1}, Scoring({"liver": 1.0}))[0]
    worst = worst_scores(REFERENCE, SPACING_MM, {"liver": 1}, Scoring({"liver": 1.0}))[0]
    assert worst.hd95_mm == pytest.approx(empty.hd95_mm)
    assert all(getattr(worst, m) <= getattr(empty, m) for m in METRICS if m != "hd95_mm")


RATIOS = ("dice", "iou", "sensitivity", "precision")
DISTANCES = ("hd95_mm", "hd_mm", "assd_mm")
UNDEFINED = {  # flag to what it explains; a missing tolerance explains NSD
    "": (),
    "both-empty": (*RATIOS, *DISTANCES, "nsd", "relative_volume_error"),
    "reference-empty": ("sensitivity", "relative_volume_error"),
    "prediction-empty": (),
    "reference-full": ("specificity",),
}


def extreme_masks(shape):
    """Masks at the ends of what can be, by name."""
    corner, inside = np.zeros(shape, bool), np.zeros(shape, bool)
    corner.flat[0] = inside[tuple(length // 2 for length in shape)] = True
    half = np.arange(math.prod(shape)).reshape(shape) < math.prod(shape) // 2
    names = ("empty", "full", "corner", "inside", "half")
    return dict(zip(names, (np.zeros(shape, bool), np.ones(shape, bool), corner, inside, half), strict=True))


@pytest.mark.parametrize("surface", ["voxel", "surfel"])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (1, 4, 5), (4, 5, 3)], ids=str)
def test_whatever_is_undefined_is_explained_by_the_flag(shape, surface):
    masks = extreme_masks(shape)
    spacing_mm = (2.0, 1.0, 3.0)[: len(shape)]
    for predicted, prediction in masks.items():
        for expected, reference in masks.items():
            scored = score(prediction, reference, spacing_mm, surface=surface)
            undefined = tuple(metric for metric in METRICS if math.isnan(getattr(scored, metric)))
            nothing_in_all = (predicted, expected) == ("empty", "full")  # two reasons, and one flag
            explained = UNDEFINED["reference-full" if nothing_in_all else scored.flag]
            assert sorted(undefined) == sorted(explained), (predicted, expected)
            if predicted == expected != "empty":
                perfect = {metric: value for metric, value in BEST.items() if metric not in undefined}
                assert {metric: getattr(scored, metric) for metric in perfect} == perfect
