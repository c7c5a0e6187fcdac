"""Courses of training and scores per case, as figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from medseg.metrics.aggregate import case_scores, class_names, mean_of_defined
from medseg.metrics.case import BEST
from medseg.reporting.documents import Picture, figure_picture
from medseg.reporting.figures.boxes import draw_boxes
from medseg.reporting.figures.curves import Curve, draw_curves
from medseg.reporting.results import RunResults
from medseg.reporting.tables import HEADINGS

MOST_CLASS_BOXES = 8  # with more classes the page shows the box plot of their mean alone
BOXED = ("dice", "hd95_mm", "nsd")


@dataclass(frozen=True)
class Boxes:
    """One box plot.

    Attributes:
        name: the metric, and the class where it is of one class: ``dice``, ``dice/liver``.
        values: model to (cases,) scores, NaN where undefined.
    """

    name: str
    label: str
    ratio: bool
    values: Mapping[str, NDArray[np.float64]]

    def draw(self, models: Sequence[str]) -> Figure:
        """The figure, with the colours of all models in that order."""
        return draw_boxes(self.values, models, self.label, self.ratio)


def curve_pictures(results: RunResults, models: Sequence[str]) -> Iterator[Picture]:
    """Training loss and validation Dice, where any training has come that far."""
    for attribute, label in (("train_loss", "Training loss"), ("validation_dice", "Validation Dice")):
        curves = []
        for unit in results.units:
            points = [(p.epoch, value) for p in unit.history if (value := getattr(p, attribute)) is not None]
            if points:
                curves.append(Curve(unit.model, *zip(*points, strict=True)))
        if curves:
            last = ", ".join(f"{curve.model} ends at {curve.y[-1]:.3f}" for curve in curves)
            yield figure_picture(draw_curves(curves, models, "Epoch", label), f"{label} by epoch: {last}.")


def box_pictures(results: RunResults, models: Sequence[str], all_models: Sequence[str]) -> Iterator[Picture]:
    """The box plots with their medians in words.

    Args:
        all_models: order of the colours.
    """
    for boxes in box_plots(results, models):
        defined = {model: values for model, values in boxes.values.items() if not np.isnan(values).all()}
        medians = ", ".join(f"{model} {np.nanmedian(values):.3f}" for model, values in defined.items())
        yield figure_picture(boxes.draw(all_models), f"{boxes.label}: medians {medians or 'undefined'}.")


def box_plots(results: RunResults, models: Sequence[str]) -> Iterator[Boxes]:
    """Every model's scores per case: the mean over classes by each metric, then Dice of each class."""
    repeats = {model: results.repeats(model) for model in models}
    classes = class_names(rows for model in models for rows in repeats[model])
    for metric in BOXED:
        scores = {model: mean_of_defined(case_scores(rows, metric), axis=1) for model, rows in repeats.items()}
        if any(not np.isnan(values).all() for values in scores.values()):
            over = ", mean over classes" if len(classes) > 1 else ""
            yield Boxes(metric, f"{HEADINGS[metric]} per case{over}", BEST[metric] == 1, scores)
    if 1 < len(classes) <= MOST_CLASS_BOXES:
        for name in classes:
            yield Boxes(f"dice/{name}", f"Dice per case, {name}", True, _of_class(repeats, name))


def _of_class(repeats: Mapping[str, list], name: str) -> dict[str, NDArray[np.float64]]:
    return {
        model: case_scores(rows, "dice")[:, class_names(rows).index(name)]
        for model, rows in repeats.items()
        if name in class_names(rows)
    }
