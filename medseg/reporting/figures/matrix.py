"""Tables of shares as shaded squares: confusion, significance, rank stability."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from medseg.reporting.figures.style import STYLE

SHADES = "Blues"
DARK = 0.72  # from this shade on letters are white, before black: 4.5 to 1 or more on every shade
LETTER_INCHES = 0.085  # of a row's name, at 10 points


def draw_matrix(
    shades: NDArray[np.float64],
    texts: Sequence[Sequence[str]],
    rows: Sequence[str],
    columns: Sequence[str],
    x_label: str,
    y_label: str,
    cell_inches: float,
) -> Figure:
    """Squares from white (0) to dark blue (1) with a text in each; NaN is a hatched square.

    Args:
        shades: (rows, columns) from 0 to 1.
        texts: one per square, empty for none; they must fit ``cell_inches``.
    """
    longest_row, longest_column = (max(map(len, names)) for names in (rows, columns))
    turned = longest_column * LETTER_INCHES > cell_inches
    below = longest_column * LETTER_INCHES if turned else 0.2
    size = (longest_row * LETTER_INCHES + 0.6 + cell_inches * len(columns), 0.5 + below + cell_inches * len(rows))
    with mpl.rc_context({**STYLE, "axes.grid": False, "font.size": 9}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        axes.set_facecolor("#F0F0F0")
        axes.pcolormesh(
            np.ma.masked_invalid(shades), cmap=SHADES, vmin=0, vmax=1, edgecolors="#CCCCCC", linewidth=0.5, snap=True
        )
        for row, column in np.ndindex(shades.shape):
            colour = "white" if shades[row, column] >= DARK else "black"
            if texts[row][column]:
                axes.text(column + 0.5, row + 0.5, texts[row][column], ha="center", va="center", color=colour)
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=90 if turned else 0)
        axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
        axes.set_ylim(len(rows), 0)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.tick_params(length=0)
        return figure
