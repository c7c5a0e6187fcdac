"""Quality against cost, with the models that no other beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from medseg.reporting.figures.style import INK, LEGEND_POINTS, STYLE, WIDTH_INCHES, appearance

MOST_NAMES = 8  # with more models the points carry numbers, and a legend says whose
LETTER_POINTS = (5.3, 11.0)  # width and height of a letter of a label
POINT_POINTS = 4.0  # half the side of a marker
DISTANCES = (1.0, 5.0, 9.0, 15.0, 22.0, 30.0, 40.0, 52.0)  # of a label from its point, nearest first
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
LINE_STEPS = 60  # squares between two points of the front, which keep labels off it
WIDE = 20  # ratio of the dearest to the cheapest from which on the axis is logarithmic


@dataclass(frozen=True)
class Candidate:
    """One model: its cost, lower is better, its quality, higher is better, and whether it is efficient."""

    model: str
    cost: float
    quality: float
    efficient: bool


def draw_pareto(candidates: Sequence[Candidate], models: Sequence[str], x_label: str, y_label: str) -> Figure:
    """Efficient models are filled and joined by a line, the others are hollow.

    Points carry the names of their models where all of them have room, else numbers that a legend explains.

    Args:
        models: order of the colours, as in ``draw_curves``.
    """
    with mpl.rc_context({**STYLE, "font.size": 9}):
        if len(candidates) <= MOST_NAMES:
            figure, axes, _ = _draw_points(candidates, models, x_label, y_label, legend_rows=0)
            if _label(figure, axes, candidates, [candidate.model for candidate in candidates]):
                return figure
        legend_rows = (len(candidates) + 1) // 2
        figure, axes, points = _draw_points(candidates, models, x_label, y_label, legend_rows)
        names = [f"{number}  {candidate.model}" for number, candidate in enumerate(candidates, start=1)]
        figure.legend(points, names, loc="outside lower center", ncols=2, frameon=False, fontsize=LEGEND_POINTS)
        _label(figure, axes, candidates, [str(number) for number in range(1, len(candidates) + 1)])
        return figure


def _draw_points(
    candidates: Sequence[Candidate], models: Sequence[str], x_label: str, y_label: str, legend_rows: int
) -> tuple[Figure, Axes, list[Line2D]]:
    figure = Figure(figsize=(WIDTH_INCHES, 3.4 + 0.2 * legend_rows), layout="constrained")
    axes = figure.add_subplot()
    points = [_point(axes, candidate, models) for candidate in candidates]
    front = sorted((c.cost, c.quality) for c in candidates if c.efficient)
    axes.plot(*zip(*front, strict=True), color=INK, linewidth=1, zorder=1)
    _set_cost_scale(axes, [c.cost for c in candidates])
    axes.margins(0.12)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure, axes, points


def _point(axes: Axes, candidate: Candidate, models: Sequence[str]) -> Line2D:
    colour = appearance(models.index(candidate.model))[0]
    inside = colour if candidate.efficient else "white"
    style = {"marker": "o", "markersize": 6, "linestyle": "", "zorder": 3}
    return axes.plot(candidate.cost, candidate.quality, color=colour, markerfacecolor=inside, **style)[0]  # type: ignore[arg-type]


def _set_cost_scale(axes: Axes, costs: Sequence[float]) -> None:
    if max(costs) > WIDE * min(costs) > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _label(figure: Figure, axes: Axes, candidates: Sequence[Candidate], labels: Sequence[str]) -> bool:
    """Write each label beside its point where it covers no point, no line and no label that is there already.

    Returns:
        Whether every label found such a place.
    """
    figure.draw_without_rendering()  # settles the layout, which places are reckoned in
    figure.set_layout_engine("none")
    points_per_pixel = 72 / figure.dpi
    places = axes.transData.transform([(c.cost, c.quality) for c in candidates]) * points_per_pixel
    frame = Bbox(axes.bbox.get_points() * points_per_pixel)
    front = sorted(place.tolist() for place, c in zip(places, candidates, strict=True) if c.efficient)
    taken = [_square(place, POINT_POINTS) for place in places] + _line_squares(np.array(front))
    all_free = True
    for candidate, place, label in zip(candidates, places, labels, strict=True):
        box, distance, is_free = _free_box(place, label, taken, frame)
        all_free &= is_free
        taken.append(box)
        line = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3}
        axes.annotate(
            label,
            (candidate.cost, candidate.quality),
            (box.x0 + box.width / 2 - place[0], box.y0 + box.height / 2 - place[1]),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=LEGEND_POINTS,
            arrowprops=line if distance > DISTANCES[1] else None,
            zorder=2,
        )
    return all_free


def _square(centre: NDArray[np.float64], half: float) -> Bbox:
    return Bbox.from_bounds(centre[0] - half, centre[1] - half, 2 * half, 2 * half)


def _line_squares(corners: NDArray[np.float64]) -> list[Bbox]:
    """Squares along a line through some points."""
    steps = np.linspace(0, 1, LINE_STEPS)[:, None]
    lines = [start + steps * (end - start) for start, end in pairwise(corners)]
    return [_square(place, 1.0) for line in lines for place in line]


def _free_box(place: NDArray[np.float64], label: str, taken: Sequence[Bbox], frame: Bbox) -> tuple[Bbox, float, bool]:
    """The label's nearest place within the frame, how far it is from its point, and whether it is free."""
    width, height = LETTER_POINTS[0] * len(label), LETTER_POINTS[1]
    for distance in DISTANCES:
        for across, up in DIRECTIONS:
            left = place[0] + across * (POINT_POINTS + distance + width / 2) - width / 2
            bottom = place[1] + up * (POINT_POINTS + distance + height / 2) - height / 2
            box = Bbox.from_bounds(left, bottom, width, height)
            if _holds(frame, box) and not any(box.overlaps(other) for other in taken):
                return box, distance, True
    return _square(place, POINT_POINTS), 0.0, False


def _holds(frame: Bbox, box: Bbox) -> bool:
    return frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
