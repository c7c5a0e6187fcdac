"""Figures are equal for equal numbers, stand any number of cases, and show every name in full."""

from __future__ import annotations

from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from medseg.reporting.figures.boxes import MOST_SHAPES, draw_boxes
from medseg.reporting.figures.calibration import draw_reliability
from medseg.reporting.figures.curves import Curve, draw_curves
from medseg.reporting.figures.matrix import SHADES, draw_matrix
from medseg.reporting.figures.pareto import Candidate, draw_pareto
from medseg.reporting.figures.style import appearance, svg

MANY = [f"upernet-convnext-large-{number}" for number in range(18)]


def boxes(values: dict[str, np.ndarray], models: list[str]) -> str:
    return svg(draw_boxes(values, models, "Dice", ratio=True))


def texts(figure: Figure) -> list[Text]:
    """All that can be read, where it is drawn."""
    FigureCanvasAgg(figure).draw()
    beyond = {
        tick.label1
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [text for text in shown if text not in beyond]


def many_candidates() -> list[Candidate]:
    """Two clouds of models whose points nearly coincide."""
    rng = np.random.default_rng(0)
    return [
        Candidate(name, 1 + 50 * (place % 2) + rng.uniform(0, 2), 0.9 + rng.uniform(0, 0.01), place in (0, 1))
        for place, name in enumerate(MANY)
    ]


CROWDED = {
    "curves": lambda: draw_curves([Curve(name, [0, 1], [1, 2]) for name in MANY], MANY, "Epoch", "Training loss"),
    "boxes": lambda: draw_boxes({name: np.linspace(0.912, 0.947, 9) for name in MANY}, MANY, "Dice", ratio=True),
    "distances": lambda: draw_boxes({name: np.array([0, 1, 2, 480.0]) for name in MANY}, MANY, "HD95", ratio=False),
    "matrix": lambda: draw_matrix(np.eye(18), [["n.s."] * 18] * 18, MANY, MANY, "worse", "better", 0.36),
    "reliability": lambda: draw_reliability({name: [(0, 0), (1, 1)] for name in MANY}, MANY),
    "pareto": lambda: draw_pareto(many_candidates(), MANY, "Seconds per case", "Mean Dice"),
    "pareto of few": lambda: draw_pareto(many_candidates()[:8], MANY, "Seconds per case", "Mean Dice"),
}


@pytest.mark.parametrize("name", CROWDED)
def test_no_text_is_cut_or_covers_another(name):
    figure = CROWDED[name]()
    shown = texts(figure)
    extents = {text: Text.get_window_extent(text) for text in shown}  # a label's own would hold its line too
    width, height = figure.canvas.get_width_height()
    cut = [
        text.get_text()
        for text, box in extents.items()
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]
    assert not cut
    pairs = combinations(shown, 2)
    assert not [(one.get_text(), other.get_text()) for one, other in pairs if extents[one].overlaps(extents[other])]


@pytest.mark.parametrize("shade", np.linspace(0, 1, 21))
def test_a_number_on_any_shade_can_be_read(shade):
    figure = draw_matrix(np.array([[shade]]), [["80"]], ["a"], ["a"], "worse", "better", 0.5)
    (number,) = [text for text in texts(figure) if text.get_text() == "80"]
    light, dark = sorted((luminance(number.get_color()), luminance(mpl.colormaps[SHADES](shade))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG's least contrast of text


def luminance(colour: str | tuple[float, ...]) -> float:
    """Relative luminance as WCAG defines it."""
    parts = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_equal_numbers_give_equal_svg():
    first, second = (svg(draw_curves([Curve("unet", [0, 1], [2.0, 1.0])], ["unet"], "Epoch", "Loss")) for _ in "ab")
    assert first == second
    assert "<dc:date>" not in first
    values = {"unet": np.array([0.5, 0.9, np.nan])}
    assert boxes(values, ["unet"]) == boxes(values, ["unet"])


@pytest.mark.parametrize("values", [[], [np.nan], [0.7], [0.2, 0.2], list(np.linspace(0, 1, 300))])
@pytest.mark.parametrize("ratio", [True, False])
def test_any_number_of_cases_can_be_drawn(values, ratio):
    figure = draw_boxes({"unet": np.array(values, dtype=float)}, ["unet"], "Dice", ratio)
    assert svg(figure).startswith("<?xml")


def test_very_many_cases_become_pixels_of_bounded_size():
    values = {"unet": np.linspace(0, 1, 10 * MOST_SHAPES)}
    assert len(boxes(values, ["unet"])) < 200_000


def test_a_model_keeps_its_colour_where_others_are_absent():
    both = boxes({"a": np.ones(2), "b": np.ones(2)}, ["a", "b"])
    alone = boxes({"b": np.ones(2)}, ["a", "b"])
    assert appearance(1)[0].lower() in both
    assert appearance(1)[0].lower() in alone
    assert appearance(0)[0].lower() not in alone


def test_many_models_look_different():
    assert len({appearance(index) for index in range(28)}) == 28


def test_names_with_dollar_signs_are_no_formulas():
    figure = draw_boxes({"$a_b$": np.ones(2)}, ["$a_b$"], "Dice", ratio=True)
    assert "$a_b$" in [text.get_text() for text in texts(figure)]
    assert svg(figure)
