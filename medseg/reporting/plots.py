"""Learning curves and box plots as SVG text that is equal for equal numbers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

# Okabe and Ito's palette, which people with any colour vision can tell apart; the line style tells the rest
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", ":")
INK = "#333333"

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "medseg",  # element ids would be random otherwise
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "axes.axisbelow": True,
}
WIDTH_INCHES = 4.8
WHISKER_IQR = 1.5  # Tukey's rule


@dataclass(frozen=True)
class Curve:
    """One training's course: x and y of equal length."""

    model: str
    x: Sequence[float]
    y: Sequence[float]


def curves_svg(curves: Sequence[Curve], models: Sequence[str], x_label: str, y_label: str) -> str:
    """Lines of one colour and style per model; several trainings of a model are several lines.

    Args:
        models: all models of the report, in one order for all figures, so that colours agree between them.
    """
    shown = [model for model in models if any(curve.model == model for curve in curves)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, 3.2 + 0.25 * ((len(shown) + 1) // 2)), layout="constrained")
        axes = figure.add_subplot()
        for curve in curves:
            colour, style = appearance(models.index(curve.model))
            marker = "o" if len(curve.x) == 1 else None
            axes.plot(curve.x, curve.y, color=colour, linestyle=style, linewidth=1.6, marker=marker)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        lines = [axes.plot([], [], color=c, linestyle=s)[0] for c, s in (appearance(models.index(m)) for m in shown)]
        figure.legend(lines, shown, loc="outside lower center", ncols=2, frameon=False)
        return _svg(figure)


def boxes_svg(values: Mapping[str, NDArray[np.float64]], models: Sequence[str], x_label: str) -> str:
    """One horizontal box per model with a dot per case, the first model on top.

    Box: quartiles and median; whiskers: farthest case within 1.5 interquartile ranges.

    Args:
        values: model to (cases,) values from 0 to 1, NaN where undefined.
        models: order of the colours, as in ``curves_svg``.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, 1.1 + 0.5 * len(values)), layout="constrained")
        axes = figure.add_subplot()
        for place, (model, all_values) in enumerate(values.items()):
            _box(axes, place, all_values[~np.isnan(all_values)], appearance(models.index(model))[0])
        axes.set_yticks(range(len(values)), list(values))
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.set_xlim(_lower_end(values) - 0.02, 1.02)
        axes.set_xlabel(x_label)
        axes.grid(visible=False, axis="y")
        return _svg(figure)


def appearance(index: int) -> tuple[str, str]:
    """Colour and line style of the model at a place: unlike for the first 28."""
    return COLOURS[index % len(COLOURS)], LINE_STYLES[index // len(COLOURS) % len(LINE_STYLES)]


def _box(axes: Axes, place: int, values: NDArray[np.float64], colour: str) -> None:
    if not values.size:
        axes.text(0.5, place, "no case defines it", ha="center", va="center", color=INK)
        return
    low, median, high = np.percentile(values, [25, 50, 75])
    reach = WHISKER_IQR * (high - low)
    ends = values[values >= low - reach].min(), values[values <= high + reach].max()
    axes.hlines(place, ends[0], ends[1], color=INK, linewidth=1)
    axes.barh(place, high - low, 0.5, left=low, facecolor=mpl.colors.to_rgba(colour, 0.25), edgecolor=colour)
    axes.vlines(median, place - 0.25, place + 0.25, color=INK, linewidth=2)
    jitter = np.random.default_rng(0).uniform(-0.18, 0.18, values.size)
    axes.scatter(values, place + jitter, s=9, color=colour, alpha=0.8, linewidths=0, zorder=3)


def _lower_end(values: Mapping[str, NDArray[np.float64]]) -> float:
    """Where the axis begins: the tenth below the worst case."""
    known = np.concatenate([v[~np.isnan(v)] for v in values.values()])
    return float(np.floor(known.min() * 10) / 10) if known.size else 0.0


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()
