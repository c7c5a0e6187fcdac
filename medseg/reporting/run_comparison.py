"""Several runs over time: how every model changed from run to run, and what else is not the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from medseg.metrics.aggregate import aggregate
from medseg.reporting.changes import Change, changes, changes_table
from medseg.reporting.differences import Difference, differences
from medseg.reporting.results import RunResults
from medseg.reporting.table import Column, Table


@dataclass(frozen=True)
class Step:
    """A run against the one before.

    Attributes:
        differences: what was set or installed otherwise.
    """

    earlier: str
    later: str
    changes: tuple[Change, ...]
    differences: tuple[Difference, ...]


def steps(runs: Sequence[RunResults]) -> list[Step]:
    """Every run but the first against the one before.

    Args:
        runs: oldest first.
    """
    return [
        Step(
            earlier.run_id,
            later.run_id,
            changes(dict.fromkeys([*later.models, *earlier.models], earlier), later),
            tuple(differences(earlier, later)),
        )
        for earlier, later in pairwise(runs)
    ]


def mean_dice(results: RunResults) -> dict[str, float | None]:
    """Every model's mean over all test cases of this run, then over classes; None where it has no scores."""
    return {model: aggregate(results.repeats(model)).scores["dice"] for model in results.models}


def runs_table(runs: Sequence[RunResults]) -> Table:
    """One row per model, one column per run."""
    means = {run.run_id: mean_dice(run) for run in runs}
    models = list(dict.fromkeys(model for run in runs for model in run.models))
    columns = [Column("model", str, "Model"), *(Column(run, float, run) for run in means)]
    rows = [{"model": model, **{run: dice.get(model) for run, dice in means.items()}} for model in models]
    return Table("runs", "Mean Dice over all test cases of each run", columns, rows)


def step_table(step: Step) -> Table:
    """One row per model of either run."""
    return changes_table(step.changes, f"From {step.earlier} to {step.later}, over the test cases of both")


def differences_table(step: Step) -> Table:
    """One row per setting or version."""
    columns = [Column(key, str, heading) for key, heading in (("what", "What"), ("before", "Before"), ("now", "Now"))]
    rows = [{"what": one.what, "before": one.before, "now": one.now} for one in step.differences]
    return Table("differences", f"What else changed from {step.earlier} to {step.later}", columns, rows)
