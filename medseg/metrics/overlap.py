"""How many voxels two masks share, and the ratios that follow from these four counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Counts:
    """Voxels of one class: the confusion matrix of a prediction against a reference.

    A ratio is NaN where it is undefined: ``dice``, ``iou``, ``precision`` where both masks are empty, ``sensitivity``
    where the reference is empty, ``specificity`` where the reference fills the image. An empty prediction of a class
    that is there has precision 0, and a prediction of a class that is absent has dice, iou and precision 0.

    Attributes:
        tp, fp, fn, tn: true positives, false positives, false negatives, true negatives.
    """

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def reference_voxels(self) -> int:
        return self.tp + self.fn

    @property
    def prediction_voxels(self) -> int:
        return self.tp + self.fp

    @property
    def dice(self) -> float:
        """2 tp / (2 tp + fp + fn); Dice 1945."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """tp / (tp + fp + fn); Jaccard 1912."""
        return ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def sensitivity(self) -> float:
        """tp / (tp + fn), also called recall or true positive rate."""
        return ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float:
        """tn / (tn + fp), the true negative rate."""
        return ratio(self.tn, self.tn + self.fp)

    @property
    def precision(self) -> float:
        """tp / (tp + fp), also called positive predictive value."""
        if self.prediction_voxels == 0 and self.reference_voxels > 0:
            return 0.0
        return ratio(self.tp, self.tp + self.fp)

    @property
    def relative_volume_error(self) -> float:
        """(predicted - reference) / reference voxels; NaN where the reference is empty."""
        return ratio(self.prediction_voxels - self.reference_voxels, self.reference_voxels)


def overlap_counts(prediction: NDArray[Any], reference: NDArray[Any], image_voxels: int | None = None) -> Counts:
    """Count voxels once.

    Args:
        prediction: bool mask of any shape.
        reference: bool mask of the same shape.
        image_voxels: of the image that the masks are cut from; by default they are whole.

    Raises:
        ValueError: the shapes differ.
    """
    if prediction.shape != reference.shape:
        raise ValueError(f"prediction and reference must have one shape, got {prediction.shape} and {reference.shape}")
    tp = int(np.count_nonzero(prediction & reference))
    fp = int(np.count_nonzero(prediction)) - tp
    fn = int(np.count_nonzero(reference)) - tp
    return Counts(tp, fp, fn, tn=(image_voxels or reference.size) - tp - fp - fn)


def ratio(numerator: int, denominator: int) -> float:
    """NaN where there is nothing to divide by."""
    return numerator / denominator if denominator else math.nan
