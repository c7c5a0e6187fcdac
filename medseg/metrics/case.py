"""The scores of one case: every metric for every foreground class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medseg.metrics.overlap import Counts, overlap_counts
from medseg.metrics.surface import image_diagonal_mm, surface_distances

METRICS = ("dice", "iou", "sensitivity", "specificity", "precision", "hd95_mm", "nsd")

Flag = Literal["", "both-empty", "prediction-empty", "reference-empty", "not-predicted"]


@dataclass(frozen=True)
class ClassScore:
    """One class of one case; a metric is NaN where it is undefined.

    Attributes:
        nsd: NaN also where the class has no tolerance.
        counts: voxels, for pooling over cases.
        flag: why a score is special, ``""`` where both masks hold voxels.
    """

    class_name: str
    dice: float
    iou: float
    sensitivity: float
    specificity: float
    precision: float
    hd95_mm: float
    nsd: float
    counts: Counts
    flag: Flag = ""


def score_case(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing_mm: Sequence[float],
    labels: Mapping[str, int],
    tolerance_mm: Mapping[str, float],
) -> list[ClassScore]:
    """Score a prediction on the reference's own grid.

    Args:
        prediction, reference: class values, one shape of 2 or 3 axes, any integer dtype.
        spacing_mm: voxel size per axis.
        labels: foreground class name to value; values that are not named here are background to every class.
        tolerance_mm: NSD tolerance by class name; NSD is NaN for a class that is not in it.

    Returns:
        One score per class, in the order of ``labels``.

    Raises:
        ValueError: the shapes differ.
    """
    return [
        _score_class(name, prediction == value, reference == value, spacing_mm, tolerance_mm.get(name))
        for name, value in labels.items()
    ]


def worst_scores(
    reference: NDArray[Any],
    spacing_mm: Sequence[float],
    labels: Mapping[str, int],
    tolerance_mm: Mapping[str, float],
) -> list[ClassScore]:
    """Scores of a case that was not predicted: ratios 0, HD95 the image diagonal, flag ``not-predicted``.

    The counts are those of an empty prediction. Arguments as in ``score_case``.
    """
    hd95_mm = image_diagonal_mm(reference.shape, spacing_mm)
    nothing = np.zeros(reference.shape, dtype=bool)
    scores = []
    for name, value in labels.items():
        counts = overlap_counts(nothing, reference == value)
        nsd = 0.0 if name in tolerance_mm else math.nan
        scores.append(ClassScore(name, 0.0, 0.0, 0.0, 0.0, 0.0, hd95_mm, nsd, counts, "not-predicted"))
    return scores


def _score_class(
    name: str,
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing_mm: Sequence[float],
    tolerance_mm: float | None,
) -> ClassScore:
    counts = overlap_counts(prediction, reference)
    distances = surface_distances(prediction, reference, spacing_mm)
    return ClassScore(
        class_name=name,
        dice=counts.dice,
        iou=counts.iou,
        sensitivity=counts.sensitivity,
        specificity=counts.specificity,
        precision=counts.precision,
        hd95_mm=distances.hd95_mm,
        nsd=math.nan if tolerance_mm is None else distances.nsd(tolerance_mm),
        counts=counts,
        flag=_flag(counts),
    )


def _flag(counts: Counts) -> Flag:
    if counts.prediction_voxels and counts.reference_voxels:
        return ""
    if counts.prediction_voxels:
        return "reference-empty"
    return "prediction-empty" if counts.reference_voxels else "both-empty"
