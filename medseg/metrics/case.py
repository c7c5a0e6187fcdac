"""The scores of one case: every metric for every foreground class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medseg.metrics.lesions import Lesions, count_lesions
from medseg.metrics.masks import ClassMasks, class_masks, image_diagonal_mm
from medseg.metrics.overlap import Counts, overlap_counts
from medseg.metrics.surface import SurfaceDistances, surface_distances
from medseg.metrics.surfels import surfel_nsd

MM3_PER_ML = 1000.0

METRICS = (
    *("dice", "iou", "sensitivity", "specificity", "precision"),
    *("hd95_mm", "hd_mm", "assd_mm", "nsd", "volume_error_ml", "relative_volume_error"),
)
# a perfect prediction's value; the relative volume error has a sign and is compared by nothing
BEST = {metric: 0.0 if metric.endswith(("_mm", "_ml")) else 1.0 for metric in METRICS if metric[:8] != "relative"}

Surface = Literal["voxel", "surfel"]
Flag = Literal["", "both-empty", "prediction-empty", "reference-empty", "reference-full", "not-predicted"]


@dataclass(frozen=True)
class ClassScore:
    """One class of one case; a metric is NaN where it is undefined.

    Attributes:
        nsd: NaN also where the class has no tolerance.
        volume_error_ml: how far the predicted volume is from the reference's, without a sign.
        relative_volume_error: (predicted - reference) / reference volume: positive where too much was predicted.
        counts: voxels, for pooling over cases.
        lesions: connected components found, invented and missed; None where they were not asked for.
        flag: why a score is special or undefined, ``""`` where it is neither; ``reference-full`` has no specificity.
    """

    class_name: str
    dice: float
    iou: float
    sensitivity: float
    specificity: float
    precision: float
    hd95_mm: float
    hd_mm: float
    assd_mm: float
    nsd: float
    volume_error_ml: float
    relative_volume_error: float
    counts: Counts
    lesions: Lesions | None = None
    flag: Flag = ""


@dataclass(frozen=True)
class Scoring:
    """How cases are scored.

    Attributes:
        tolerance_mm: NSD tolerance by class name; NSD is NaN for a class that is not in it.
        surface: what NSD counts: ``voxel`` surfaces as MONAI does, or the area of ``surfel``s as DeepMind does.
        lesion_iou: from which IoU on a predicted component has found a reference's, by class name; components of a
            class that is not in it are not counted.
    """

    tolerance_mm: Mapping[str, float] = field(default_factory=dict)
    surface: Surface = "voxel"
    lesion_iou: Mapping[str, float] = field(default_factory=dict)


def score_case(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing_mm: Sequence[float],
    labels: Mapping[str, int],
    scoring: Scoring,
) -> list[ClassScore]:
    """Score a prediction on the reference's own grid.

    Args:
        prediction, reference: class values, one shape of 2 or 3 axes, any integer dtype.
        spacing_mm: voxel size per axis.
        labels: foreground class name to value; values that are not named here are background to every class.

    Returns:
        One score per class, in the order of ``labels``.

    Raises:
        ValueError: the shapes differ.
    """
    voxel_ml = math.prod(spacing_mm) / MM3_PER_ML
    return [
        _score_class(name, masks, voxel_ml, scoring)
        for name, masks in class_masks(prediction, reference, spacing_mm, labels)
    ]


def worst_scores(
    reference: NDArray[Any],
    spacing_mm: Sequence[float],
    labels: Mapping[str, int],
    scoring: Scoring,
) -> list[ClassScore]:
    """Scores of a case that was not predicted: ratios 0, distances the image diagonal, flag ``not-predicted``.

    Counts, volumes and lesions are those of an empty prediction. Arguments as in ``score_case``.
    """
    worst_mm = image_diagonal_mm(reference.shape, spacing_mm)
    empty = score_case(np.zeros_like(reference), reference, spacing_mm, labels, scoring)
    ratios = dict.fromkeys(("dice", "iou", "sensitivity", "specificity", "precision"), 0.0)
    distances = dict.fromkeys(("hd95_mm", "hd_mm", "assd_mm"), worst_mm)
    nsd = {name: 0.0 if name in scoring.tolerance_mm else math.nan for name in labels}
    return [
        replace(score, **ratios, **distances, nsd=nsd[score.class_name], flag="not-predicted")  # type: ignore[arg-type]
        for score in empty
    ]


def _score_class(name: str, masks: ClassMasks, voxel_ml: float, scoring: Scoring) -> ClassScore:
    prediction, reference = masks.prediction, masks.reference
    counts = overlap_counts(prediction, reference, masks.image_voxels)
    distances = surface_distances(masks)
    iou = scoring.lesion_iou.get(name)
    return ClassScore(
        class_name=name,
        dice=counts.dice,
        iou=counts.iou,
        sensitivity=counts.sensitivity,
        specificity=counts.specificity,
        precision=counts.precision,
        hd95_mm=distances.hd95_mm,
        hd_mm=distances.hd_mm,
        assd_mm=distances.assd_mm,
        nsd=_nsd(masks, distances, scoring.tolerance_mm.get(name), scoring.surface),
        volume_error_ml=abs(counts.prediction_voxels - counts.reference_voxels) * voxel_ml,
        relative_volume_error=counts.relative_volume_error,
        counts=counts,
        lesions=None if iou is None else count_lesions(prediction, reference, iou),
        flag=_flag(counts),
    )


def _nsd(masks: ClassMasks, distances: SurfaceDistances, tolerance_mm: float | None, surface: Surface) -> float:
    if tolerance_mm is None:
        return math.nan
    return surfel_nsd(masks, tolerance_mm) if surface == "surfel" else distances.nsd(tolerance_mm)


def _flag(counts: Counts) -> Flag:
    if not counts.prediction_voxels:
        return "prediction-empty" if counts.reference_voxels else "both-empty"
    if not counts.reference_voxels:
        return "reference-empty"
    return "" if counts.tn + counts.fp else "reference-full"
