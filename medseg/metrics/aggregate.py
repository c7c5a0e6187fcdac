"""From scores per case and class to the numbers of a model: over cases, then trainings, then classes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from medseg.metrics.case import METRICS, ClassScore
from medseg.metrics.lesions import Lesions
from medseg.metrics.overlap import Counts, ratio
from medseg.metrics.table import ScoreRow

POOLED_METRICS = ("dice", "iou", "sensitivity", "specificity", "precision")

Means = dict[str, float | None]


@dataclass(frozen=True)
class Absence:
    """Cases whose reference does not hold a class, counted over all trainings, and in how many none was predicted."""

    cases: int
    correct: int

    @property
    def specificity(self) -> float:
        """Part of these cases in which nothing was predicted; NaN where the class is never absent."""
        return ratio(self.correct, self.cases)


@dataclass(frozen=True)
class Aggregate:
    """The means of one model; None where a mean has no defined value.

    Attributes:
        scores: metric to the mean over classes of ``per_class``.
        per_class: class name to metric to the mean over the cases where it is defined.
        pooled: class name to overlap metric from the voxel counts summed over all cases.
        undefined: class name to metric to the number of cases, over all trainings, that the mean leaves out.
        absence: class name to the cases without it.
        lesions: class name to those of all cases and trainings; only classes whose lesions were counted.
    """

    scores: Means
    per_class: dict[str, Means]
    pooled: dict[str, Means]
    undefined: dict[str, dict[str, int]]
    absence: dict[str, Absence]
    lesions: dict[str, Lesions]


def aggregate(repeats: Sequence[Sequence[ScoreRow]]) -> Aggregate:
    """Means over the cases of each training, then over trainings, then over classes; NaN is skipped and counted.

    A case that one training leaves undefined (a class rightly absent) and another does not is in the mean of the other
    alone.

    Args:
        repeats: the rows of one training each, of the same model with other seeds or folds; one of them is enough.
    """
    classes = class_names(repeats)
    scores_of: dict[str, list[ClassScore]] = {name: [] for name in classes}
    for row in chain.from_iterable(repeats):
        scores_of[row.score.class_name].append(row.score)
    per_metric = {metric: training_scores(repeats, metric) for metric in METRICS}
    class_means = {metric: mean_over_cases_then_trainings(scores) for metric, scores in per_metric.items()}
    return Aggregate(
        scores={metric: or_none(float(mean_of_defined(means, axis=0))) for metric, means in class_means.items()},
        per_class={
            name: {metric: or_none(float(means[index])) for metric, means in class_means.items()}
            for index, name in enumerate(classes)
        },
        pooled={name: _pooled(scores) for name, scores in scores_of.items()},
        undefined={
            name: {metric: int(np.isnan(scores[..., index]).sum()) for metric, scores in per_metric.items()}
            for index, name in enumerate(classes)
        },
        absence={name: _absence(scores) for name, scores in scores_of.items()},
        lesions={
            name: sum(counted[1:], counted[0])
            for name, scores in scores_of.items()
            if (counted := [score.lesions for score in scores if score.lesions])
        },
    )


def training_scores(repeats: Sequence[Sequence[ScoreRow]], metric: str) -> NDArray[np.float64]:
    """(trainings, cases, classes) of a metric, NaN where undefined.

    Cases follow ``case_names``, classes ``class_names``.
    """
    cases = {name: index for index, name in enumerate(case_names(repeats))}
    classes = {name: index for index, name in enumerate(class_names(repeats))}
    values = np.full((len(repeats), len(cases), len(classes)), math.nan)
    for repeat, rows in enumerate(repeats):
        for row in rows:
            values[repeat, cases[row.case], classes[row.score.class_name]] = getattr(row.score, metric)
    return values


def case_scores(repeats: Sequence[Sequence[ScoreRow]], metric: str) -> NDArray[np.float64]:
    """(cases, classes): the mean of a metric over the trainings, NaN where none defines it."""
    return mean_of_defined(training_scores(repeats, metric), axis=0)


def mean_over_cases_then_trainings(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(trainings, cases, …) to (…), without what is undefined."""
    return mean_of_defined(mean_of_defined(values, axis=1), axis=0)


def case_names(repeats: Iterable[Sequence[ScoreRow]]) -> list[str]:
    """Every case, sorted."""
    return sorted({row.case for rows in repeats for row in rows})


def class_names(repeats: Iterable[Sequence[ScoreRow]]) -> list[str]:
    """Every class, in the order of first appearance, which is that of the data set's labels."""
    return list(dict.fromkeys(row.score.class_name for rows in repeats for row in rows))


def mean_of_defined(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean along an axis without NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=axis)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), math.nan)


def _absence(scores: Sequence[ClassScore]) -> Absence:
    """A case that was not predicted is no correct one, although nothing was predicted in it."""
    absent = [score for score in scores if score.counts.reference_voxels == 0]
    return Absence(len(absent), sum(score.flag == "both-empty" for score in absent))


def _pooled(scores: Iterable[ClassScore]) -> Means:
    counts = sum((score.counts for score in scores), Counts(0, 0, 0, 0))
    return {metric: or_none(getattr(counts, metric)) for metric in POOLED_METRICS}


def or_none(value: float) -> float | None:
    """None for NaN."""
    return None if math.isnan(value) else value
