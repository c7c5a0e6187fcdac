"""Reliability diagrams: what a model's probabilities are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from medseg.reporting.figures.style import INK, LEGEND_POINTS, STYLE, WIDTH_INCHES, appearance


def draw_reliability(points: Mapping[str, Sequence[tuple[float, float]]], models: Sequence[str]) -> Figure:
    """Part of the voxels that are foreground against the probability that the model gave them; the diagonal is ideal.

    Args:
        points: model to its bins' mean probability and part of foreground, lowest probability first.
        models: order of the colours, as in ``draw_curves``.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, 4.2 + 0.2 * ((len(points) + 1) // 2)), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (1, 2)))
        lines = []
        for model, bins in points.items():
            colour, style = appearance(models.index(model))
            x, y = zip(*bins, strict=True)
            lines += axes.plot(x, y, color=colour, linestyle=style, linewidth=1.6, marker="o", markersize=3.5)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_aspect("equal")
        axes.set_xlabel("Foreground probability")
        axes.set_ylabel("Part that is foreground")
        names = list(points)
        figure.legend(lines, names, loc="outside lower center", ncols=2, frameon=False, fontsize=LEGEND_POINTS)
        return figure
