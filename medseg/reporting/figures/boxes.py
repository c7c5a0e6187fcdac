"""Scores per case of several models, each as a box with a dot per case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from medseg.reporting.figures.style import INK, STYLE, WHISKER_IQR, WIDTH_INCHES, appearance

MOST_SHAPES = 2000  # dots of one figure: more become pixels, or the page would hold megabytes of them
FAR = 20  # times the median: a distance that would press all others into a corner of a linear axis


def draw_boxes(values: Mapping[str, NDArray[np.float64]], models: Sequence[str], x_label: str, ratio: bool) -> Figure:
    """One horizontal box per model with a dot per case, the first model on top.

    Box: quartiles and median; whiskers: farthest case within 1.5 interquartile ranges.

    Args:
        values: model to (cases,) values, NaN where undefined.
        models: order of the colours, as in ``draw_curves``.
        ratio: values lie from 0 to 1 with 1 the best; otherwise they are distances from 0 on.
    """
    known = np.concatenate([v[~np.isnan(v)] for v in values.values()])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, 1.1 + 0.42 * len(values)), layout="constrained")
        axes = figure.add_subplot()
        for place, (model, all_values) in enumerate(values.items()):
            colour = appearance(models.index(model))[0]
            _box(axes, place, all_values[~np.isnan(all_values)], colour, known.size > MOST_SHAPES)
        axes.set_yticks(range(len(values)), list(values))
        axes.set_ylim(len(values) - 0.5, -0.5)
        _set_ratio_scale(axes, known) if ratio else _set_distance_scale(axes, known)
        axes.set_xlabel(x_label)
        axes.grid(visible=False, axis="y")
        return figure


def _box(axes: Axes, place: int, values: NDArray[np.float64], colour: str, many: bool) -> None:
    if not values.size:
        axes.text(0.5, place, "no case defines it", ha="center", va="center", transform=axes.get_yaxis_transform())
        return
    low, median, high = np.percentile(values, [25, 50, 75])
    reach = WHISKER_IQR * (high - low)
    ends = values[values >= low - reach].min(), values[values <= high + reach].max()
    axes.hlines(place, ends[0], ends[1], color=INK, linewidth=1)
    axes.barh(place, high - low, 0.5, left=low, facecolor=mpl.colors.to_rgba(colour, 0.25), edgecolor=colour)
    axes.vlines(median, place - 0.25, place + 0.25, color=INK, linewidth=2)
    jitter = np.random.default_rng(0).uniform(-0.18, 0.18, values.size)
    axes.scatter(values, place + jitter, s=9, color=colour, alpha=0.8, linewidths=0, zorder=3, rasterized=many)


def _set_ratio_scale(axes: Axes, known: NDArray[np.float64]) -> None:
    """From the tenth below the worst case to 1."""
    low = float(np.floor(known.min() * 10) / 10) if known.size else 0.0
    axes.set_xticks(
        [tick for tick in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, 1) if low - 1e-6 <= tick <= 1 + 1e-6]
    )
    axes.set_xlim(low - 0.02, 1.02)


def _set_distance_scale(axes: Axes, known: NDArray[np.float64]) -> None:
    """From 0, logarithmic above 1 where some case lies far off."""
    highest = float(known.max()) if known.size else 1.0
    if known.size and highest > FAR * max(float(np.median(known)), 1.0):
        axes.set_xscale("symlog", linthresh=1.0)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(-0.02 * min(highest, 10), max(highest, 1.0) * 1.05)
