"""Every model's test voxels together: which class they were taken for, and what its probabilities are worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from medseg.artifacts import CalibrationBin, Summary
from medseg.metrics.calibration import expected_calibration_error
from medseg.reporting.completeness import bin_edges
from medseg.reporting.documents import Picture, figure_picture
from medseg.reporting.figures.calibration import draw_reliability
from medseg.reporting.figures.matrix import draw_matrix
from medseg.reporting.results import RunResults

MOST_CLASSES = 25  # with more of them a matrix is no picture and no table that anyone reads
CELL_INCHES, SMALL_CELL_INCHES = 0.75, 0.4
LETTERS = ((10**9, "G"), (10**6, "M"), (10**3, "k"))
MOST_COUNTED = 8  # classes up to which the counts fit into the squares


@dataclass(frozen=True)
class Confusion:
    """One model's confusion matrix, summed over its trainings.

    Attributes:
        counts: (classes, classes) voxels, rows by reference, columns by prediction.
    """

    model: str
    classes: list[str]
    counts: NDArray[np.int64]
    picture: Picture

    @property
    def rows(self) -> list[tuple[str, list[int]]]:
        """Class of the reference and its counts."""
        return list(zip(self.classes, self.counts.tolist(), strict=True))


@dataclass(frozen=True)
class Calibration:
    """Reliability diagram of all models, and the calibration error of each."""

    picture: Picture
    errors: dict[str, float]


def confusions(results: RunResults, models: Sequence[str]) -> list[Confusion]:
    """Of the models whose trainings counted them; none where there are too many classes to be read."""
    classes = list(results.dataset.labels) if results.dataset else []
    if len(classes) > MOST_CLASSES:
        return []
    matrices = {model: _confusion_counts(results, model, len(classes)) for model in models}
    return [
        Confusion(model, classes, counts, _confusion_picture(model, counts, classes))
        for model, counts in matrices.items()
        if counts is not None
    ]


def calibration(results: RunResults, models: Sequence[str], all_models: Sequence[str]) -> Calibration | None:
    """None where no model gives probabilities.

    Args:
        all_models: order of the colours.
    """
    bins = {model: found for model in models if (found := _bins(results, model))}
    points = {
        model: [(b.probability, b.foreground) for b in found if b.probability is not None and b.foreground is not None]
        for model, found in bins.items()
    }
    points = {model: found for model, found in points.items() if found}
    if not points:
        return None
    errors = {model: expected_calibration_error(bins[model]) for model in points}
    told = ", ".join(f"{model} {error:.3f}" for model, error in errors.items() if not math.isnan(error))
    figure = draw_reliability(points, all_models)
    return Calibration(figure_picture(figure, f"Reliability diagram. Expected calibration error: {told}."), errors)


def _summaries(results: RunResults, model: str) -> list[Summary]:
    return [unit.summary for unit in results.of_model(model) if unit.rows and unit.summary]


def _confusion_counts(results: RunResults, model: str, classes: int) -> NDArray[np.int64] | None:
    found = [np.array(s.confusion, dtype=np.int64) for s in _summaries(results, model) if s.confusion]
    fitting = [counts for counts in found if counts.shape == (classes, classes)]
    return np.sum(fitting, axis=0) if fitting else None


def _confusion_picture(model: str, counts: NDArray[np.int64], classes: Sequence[str]) -> Picture:
    found = zip(classes, np.diagonal(counts), counts.sum(axis=1), strict=True)
    right = ", ".join(f"{100 * hits / voxels:.1f}% of {name}" for name, hits, voxels in found if voxels)
    return figure_picture(draw_confusion(counts, classes), f"Confusion matrix of {model}: predicted rightly {right}.")


def draw_confusion(counts: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """The part of each class's voxels that went to every class; (classes, classes), rows by reference."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    few = len(classes) <= MOST_COUNTED
    texts = [
        [_cell_text(share, count, few) for share, count in zip(*row, strict=True)]
        for row in zip(shares, counts, strict=True)
    ]
    cell = CELL_INCHES if few else SMALL_CELL_INCHES
    return draw_matrix(shares, texts, classes, classes, "Predicted", "Reference", cell)


def _cell_text(share: float, count: int, counted: bool) -> str:
    if not count:
        return "0" if counted else ""
    percent = f"{100 * share:.1f}%" if counted else f"{100 * share:.0f}"
    return f"{percent}\n{_short(int(count))}" if counted else percent


def _short(count: int) -> str:
    """At most five characters: the table beside the figure has the full number."""
    factor, letter = next((pair for pair in LETTERS if count >= pair[0]), (1, ""))
    value = count / factor
    return f"{value:.1f}{letter}" if letter and value < 100 else f"{value:.0f}{letter}"


def _bins(results: RunResults, model: str) -> list[CalibrationBin]:
    """Those of all trainings together whose bins have the edges of the first ones."""
    found = [summary for summary in _summaries(results, model) if summary.calibration]
    alike = [s.calibration or [] for s in found if bin_edges(s) == bin_edges(found[0])]
    return [_merged(same) for same in zip(*alike, strict=True)]


def _merged(bins: Sequence[CalibrationBin]) -> CalibrationBin:
    voxels = sum(b.voxels for b in bins)
    probability = sum(b.voxels * b.probability for b in bins if b.probability is not None)
    foreground = sum(b.voxels * b.foreground for b in bins if b.foreground is not None)
    return CalibrationBin(
        low=bins[0].low,
        high=bins[0].high,
        voxels=voxels,
        probability=probability / voxels if voxels else None,
        foreground=foreground / voxels if voxels else None,
    )
