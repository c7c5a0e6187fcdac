"""The comparison of runs as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence

from medseg import __version__
from medseg.reporting.documents import Picture, figure_picture, template_environment
from medseg.reporting.figures.curves import Curve, draw_curves
from medseg.reporting.results import RunResults
from medseg.reporting.run_comparison import mean_dice
from medseg.reporting.table import Table


def render(runs: Sequence[RunResults], tables: Sequence[Table]) -> str:
    """The whole page; equal for equal results.

    Args:
        runs: oldest first.
        tables: what stands below the lines.
    """
    return (
        template_environment()
        .get_template("comparison.html")
        .render(
            version=__version__,
            runs=[(place, run.run_id, run.started) for place, run in enumerate(runs, start=1)],
            picture=_lines(runs),
            tables=tables,
        )
    )


def _lines(runs: Sequence[RunResults]) -> Picture:
    """Mean Dice of every model over the runs that scored it."""
    means = [mean_dice(run) for run in runs]
    models = list(dict.fromkeys(model for run in runs for model in run.models))
    curves = []
    for model in models:
        points = [(place, dice) for place, run in enumerate(means, start=1) if (dice := run.get(model)) is not None]
        if points:
            curves.append(Curve(model, *zip(*points, strict=True)))
    last = ", ".join(f"{curve.model} ends at {curve.y[-1]:.4f}" for curve in curves)
    return figure_picture(draw_curves(curves, models, "Run", "Mean Dice"), f"Mean Dice by run: {last}.")
