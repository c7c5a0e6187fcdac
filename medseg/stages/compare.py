"""Runs of one benchmark at several times become one comparison, on the terminal and as a page."""

from __future__ import annotations

from collections.abc import Sequence

from medseg.errors import StageError
from medseg.reporting.results import RunResults
from medseg.reporting.run_comparison import Step, differences_table, runs_table, step_table, steps
from medseg.reporting.run_reader import read_run
from medseg.reporting.table import Table
from medseg.stages.record import require_run


def load(run_uri: str) -> RunResults:
    """A run that can be compared.

    Raises:
        StageError: there is no such run, or it has no scores.
    """
    require_run(run_uri)
    results = read_run(run_uri)
    if not any(unit.rows for unit in results.units):
        reasons = "; ".join(dict.fromkeys(f"{unit.title}: {unit.reason}" for unit in results.units))
        raise StageError(f"{run_uri}: has no scores to compare; {reasons or 'no model of this run has started'}")
    return results


def compare(runs: Sequence[RunResults]) -> str:
    """How every model changed from run to run, and what else did, as Markdown.

    Raises:
        StageError: a run is given twice.
    """
    runs = _by_start(runs)
    parts = [
        f"# {len(runs)} runs compared\n",
        *(f"## {table.caption}\n\n{table.markdown()}" for table in _tables(runs)),
    ]
    return "\n".join(parts)


def page(runs: Sequence[RunResults]) -> str:
    """The same as a page that needs no other file, with the runs as lines.

    Raises:
        StageError: a run is given twice.
    """
    from medseg.reporting.comparison_page import render  # draws with matplotlib

    runs = _by_start(runs)
    return render(runs, _tables(runs))


def _tables(runs: Sequence[RunResults]) -> list[Table]:
    return [runs_table(runs), *(table for step in steps(runs) for table in _step_tables(step))]


def _step_tables(step: Step) -> list[Table]:
    return [step_table(step), *([differences_table(step)] if step.differences else [])]


def _by_start(runs: Sequence[RunResults]) -> list[RunResults]:
    names = [run.run_id for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StageError(f"run {', '.join(twice)} is given more than once; a comparison needs different runs")
    return sorted(runs, key=lambda run: run.started)
