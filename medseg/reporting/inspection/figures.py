"""Distributions over cases as SVG text that suits a light and a dark page, equal for equal numbers."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from medseg.reporting.figures.style import COLOURS, INK, STYLE, WHISKER_IQR, WIDTH_INCHES
from medseg.reporting.inspection.text import visible

MOST_DOTS = 200  # per row: more are a cloud that says no more than its box
LONGEST_NAME = 20
GRID = str(STYLE["grid.color"])
DARK = {INK: "#d8dde0", GRID: "#3b4348", COLOURS[0]: "#62b0e8", COLOURS[1]: "#ff9b52"}
THEME = STYLE | {
    "text.parse_math": False,  # names of cases and classes may hold dollar signs
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
Scale = Literal["linear", "log", "symlog"]


def boxes_svg(rows: Mapping[str, NDArray[np.float64]], x_label: str, accents: frozenset[str] = frozenset()) -> str:
    """One horizontal box per row, the first on top, with a dot per case where there are at most 200.

    Box: quartiles and median; whiskers: farthest case within 1.5 interquartile ranges.

    Args:
        rows: name to (cases,) finite values; a row may be empty.
        accents: rows in the second colour.
    """
    with mpl.rc_context(THEME):
        figure = Figure(figsize=(WIDTH_INCHES, 0.8 + 0.34 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        for place, (name, values) in enumerate(rows.items()):
            _box(axes, place, values, COLOURS[name in accents])
        axes.set_yticks(range(len(rows)), [_short(name) for name in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        _set_scale(axes, scale_of(np.concatenate(list(rows.values()))))
        axes.set_xlabel(x_label)
        axes.grid(visible=False, axis="y")
        return _svg(figure)


def scale_of(values: NDArray[np.float64]) -> Scale:
    """Logarithmic where a few cases would press all others into a corner."""
    if not values.size:
        return "linear"
    low, middle, high = np.percentile(np.abs(values), [0, 50, 100])
    if high <= 50 * middle:
        return "linear"
    return "log" if low > 0 and values.min() > 0 else "symlog"


def _set_scale(axes: Axes, scale: Scale) -> None:
    if scale == "symlog":
        axes.set_xscale("symlog", linthresh=1.0)
    else:
        axes.set_xscale(scale)
    if scale != "linear":
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def _box(axes: Axes, place: int, values: NDArray[np.float64], colour: str) -> None:
    if not values.size:
        axes.text(0.5, place, "none", ha="center", va="center", color=INK, transform=axes.get_yaxis_transform())
        return
    low, median, high = np.percentile(values, [25, 50, 75])
    reach = WHISKER_IQR * (high - low)
    inside = values[(values >= low - reach) & (values <= high + reach)]
    axes.hlines(place, inside.min(), inside.max(), color=INK, linewidth=1)
    axes.barh(place, high - low, 0.5, left=low, facecolor=colour, alpha=0.3, edgecolor=colour)
    axes.vlines(median, place - 0.25, place + 0.25, color=INK, linewidth=2)
    dots = values if values.size <= MOST_DOTS else values[(values < inside.min()) | (values > inside.max())]
    jitter = np.random.default_rng(0).uniform(-0.16, 0.16, dots.size)
    axes.scatter(dots, place + jitter, s=5, color=colour, alpha=0.7, linewidths=0, zorder=3)


def _short(name: str) -> str:
    name = visible(name)
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # the tables carry such names in full
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return _for_both_themes(text.getvalue())


def _for_both_themes(svg: str) -> str:
    """Colours become variables, which the picture itself sets by the reader's preference."""
    names = {colour.lower(): f"--c{number}" for number, colour in enumerate(DARK)}
    pattern = re.compile("|".join(map(re.escape, names)), re.IGNORECASE)
    body = pattern.sub(lambda found: f"var({names[found[0].lower()]})", svg)
    light = "".join(f"{name}:{colour};" for colour, name in names.items())
    dark = "".join(f"{names[colour.lower()]}:{other};" for colour, other in DARK.items())
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    return re.sub(r"(<svg\b[^>]*>)", lambda found: found[1] + style, body, count=1)
