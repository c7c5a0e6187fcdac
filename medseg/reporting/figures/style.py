"""How figures look, and how they become SVG text that is equal for equal numbers."""

from __future__ import annotations

import io
import warnings
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

# Okabe and Ito's palette, which people with any colour vision can tell apart; the line style tells the rest
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", ":")
INK = "#333333"

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "medseg",  # element ids would be random otherwise
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same
    "font.size": 10,
    "text.parse_math": False,  # names of models and classes may hold dollar signs
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "axes.axisbelow": True,
}
WIDTH_INCHES = 4.8
LEGEND_POINTS = 8.5
WHISKER_IQR = 1.5  # Tukey's rule
RASTER_DPI = 150  # of what would be too many shapes


def appearance(index: int) -> tuple[str, str]:
    """Colour and line style of the model at a place: unlike for the first 28."""
    return COLOURS[index % len(COLOURS)], LINE_STYLES[index // len(COLOURS) % len(LINE_STYLES)]


def svg(figure: Figure) -> str:
    """The figure as SVG text without a date or a random id; letters are shapes, so that no font is missing."""
    text = io.StringIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # the tables carry such names in full
        figure.savefig(text, format="svg", dpi=RASTER_DPI, metadata={"Date": None, "Creator": None})
    return text.getvalue()
