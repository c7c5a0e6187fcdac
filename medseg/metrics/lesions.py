"""Which lesions, the connected components of a mask, a prediction found, missed and invented."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class Lesions:
    """Lesions of one class; a ratio is NaN where nothing was there to be counted.

    Attributes:
        found: reference lesions that a predicted one matches.
        invented: predicted lesions that match none of the reference.
        missed: reference lesions that no predicted one matches.
    """

    found: int
    invented: int
    missed: int

    def __add__(self, other: Lesions) -> Lesions:
        return Lesions(self.found + other.found, self.invented + other.invented, self.missed + other.missed)

    @property
    def sensitivity(self) -> float:
        """Part of the reference lesions that were found."""
        return _ratio(self.found, self.found + self.missed)

    @property
    def precision(self) -> float:
        """Part of the predicted lesions that are there."""
        return _ratio(self.found, self.found + self.invented)

    @property
    def f1(self) -> float:
        """2 found / (2 found + invented + missed)."""
        return _ratio(2 * self.found, 2 * self.found + self.invented + self.missed)


def count_lesions(prediction: NDArray[Any], reference: NDArray[Any], iou: float) -> Lesions:
    """Match components that touch by face, edge or corner, one to one, so that as many as possible are found.

    Args:
        prediction, reference: bool masks of one shape, 2 or 3 axes.
        iou: smallest IoU of a predicted and a reference component that match; Maier-Hein 2024, instance matching.
    """
    neighbours = np.ones((3,) * reference.ndim)
    predicted, predictions = ndimage.label(prediction, neighbours)
    expected, references = ndimage.label(reference, neighbours)
    found = 0
    if predictions and references:
        matches = _iou(predicted, predictions, expected, references) >= iou
        found = int(matches[linear_sum_assignment(matches, maximize=True)].sum())
    return Lesions(found, predictions - found, references - found)


def _iou(predicted: NDArray[Any], predictions: int, expected: NDArray[Any], references: int) -> NDArray[np.float64]:
    """(predictions, references) IoU of every pair of components."""
    pairs = np.ravel_multi_index((predicted.ravel(), expected.ravel()), (predictions + 1, references + 1))
    counts = np.bincount(pairs, minlength=(predictions + 1) * (references + 1))
    shared = counts.reshape(predictions + 1, references + 1).astype(np.float64)
    unions = shared.sum(1, keepdims=True) + shared.sum(0, keepdims=True) - shared
    ratios: NDArray[np.float64] = shared[1:, 1:] / unions[1:, 1:]
    return ratios


def _ratio(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else math.nan
