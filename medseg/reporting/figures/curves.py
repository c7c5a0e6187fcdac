"""Courses of trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medseg.reporting.figures.style import LEGEND_POINTS, STYLE, WIDTH_INCHES, appearance


@dataclass(frozen=True)
class Curve:
    """One training's course: x and y of equal length."""

    model: str
    x: Sequence[float]
    y: Sequence[float]


def draw_curves(curves: Sequence[Curve], models: Sequence[str], x_label: str, y_label: str) -> Figure:
    """Lines of one colour and style per model; several trainings of a model are several lines.

    Args:
        models: all models of the report, in one order for all figures, so that colours agree between them.
    """
    shown = [model for model in models if any(curve.model == model for curve in curves)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, 3.2 + 0.2 * ((len(shown) + 1) // 2)), layout="constrained")
        axes = figure.add_subplot()
        for curve in curves:
            colour, style = appearance(models.index(curve.model))
            marker = "o" if len(curve.x) == 1 else None
            axes.plot(curve.x, curve.y, color=colour, linestyle=style, linewidth=1.6, marker=marker)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        lines = [axes.plot([], [], color=c, linestyle=s)[0] for c, s in (appearance(models.index(m)) for m in shown)]
        figure.legend(lines, shown, loc="outside lower center", ncols=2, frameon=False, fontsize=LEGEND_POINTS)
        return figure
