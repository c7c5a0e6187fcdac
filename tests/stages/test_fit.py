"""The scores that pick the best epoch."""

from __future__ import annotations

import numpy as np

from medseg.stages.fit import class_dice

REFERENCE = np.array([1, 1, 2, 2, 0, 0], np.uint8)


def test_every_class_has_its_own_dice() -> None:
    prediction = np.array([1, 1, 2, 0, 0, 0], np.uint8)
    np.testing.assert_array_equal(class_dice(prediction, REFERENCE, classes=2), [1, 2 / 3])


def test_a_class_in_neither_is_undefined_and_one_in_one_of_both_is_zero() -> None:
    np.testing.assert_array_equal(class_dice(REFERENCE, REFERENCE, classes=3), [1, 1, np.nan])
    np.testing.assert_array_equal(class_dice(np.full(6, 3, np.uint8), REFERENCE, classes=3), [0, 0, 0])
