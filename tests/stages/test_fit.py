"""The score that picks the best epoch."""

from __future__ import annotations

import math

import numpy as np

from medseg.stages.fit import mean_dice

REFERENCE = np.array([1, 1, 2, 2, 0, 0], np.uint8)


def test_the_mean_over_the_classes() -> None:
    prediction = np.array([1, 1, 2, 0, 0, 0], np.uint8)
    assert mean_dice(prediction, REFERENCE, classes=3) == (1 + 2 / 3) / 2


def test_a_class_in_neither_does_not_count_and_one_in_one_of_both_does() -> None:
    assert mean_dice(REFERENCE, REFERENCE, classes=9) == 1
    assert mean_dice(np.full(6, 3, np.uint8), REFERENCE, classes=4) == 0


def test_nothing_in_both_is_undefined() -> None:
    assert math.isnan(mean_dice(np.zeros(6, np.uint8), np.zeros(6, np.uint8), classes=3))
