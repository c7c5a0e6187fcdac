"""Several runs over time: how every model changed from run to run, and what else is not the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from medseg.metrics.aggregate import aggregate, case_names
from medseg.reporting.facts import Facts, flattened
from medseg.reporting.results import RunResults
from medseg.reporting.table import Column, Table
from medseg.reporting.trend import Change, changes

_NO_SETTINGS = {"run_id", "store", "workers", "shards", "gate"}  # of a recipe: these shape no scores
_STAMPS = {"started"}


@dataclass(frozen=True)
class Step:
    """A run against the one before.

    Attributes:
        differences: what was set or installed otherwise: name, before, now.
    """

    earlier: str
    later: str
    changes: tuple[Change, ...]
    differences: tuple[tuple[str, str, str], ...]


def steps(runs: Sequence[RunResults]) -> list[Step]:
    """Every run but the first against the one before.

    Args:
        runs: oldest first.
    """
    return [
        Step(earlier.run_id, later.run_id, changes(earlier, later), tuple(_differences(earlier, later)))
        for earlier, later in pairwise(runs)
    ]


def mean_dice(results: RunResults) -> dict[str, float | None]:
    """Every model's mean over all test cases of this run, then over classes; None where it has no scores."""
    repeats = {model: [unit.rows for unit in results.of_model(model) if unit.rows] for model in results.models}
    return {model: aggregate(rows).scores["dice"] for model, rows in repeats.items()}


def runs_table(runs: Sequence[RunResults]) -> Table:
    """One row per model, one column per run."""
    means = {run.run_id: mean_dice(run) for run in runs}
    models = list(dict.fromkeys(model for run in runs for model in run.models))
    columns = [Column("model", str, "Model"), *(Column(run, float, run) for run in means)]
    rows = [{"model": model, **{run: dice.get(model) for run, dice in means.items()}} for model in models]
    return Table("runs", "Mean Dice over all test cases of each run", columns, rows)


def changes_table(step: Step) -> Table:
    """One row per model of either run."""
    columns = [
        Column("model", str, "Model"),
        Column("before", float, "Before"),
        Column("now", float, "Now"),
        Column("change", float, "Change (95% interval)", interval=("low", "high")),
        Column("cases", int, "Cases"),
        Column("p_holm", float, "p (Holm)"),
        Column("verdict", str, "Verdict"),
    ]
    rows = [{**asdict(change), "change": _difference(change), "verdict": _verdict(change)} for change in step.changes]
    return Table("changes", f"From {step.earlier} to {step.later}, over the test cases of both", columns, rows)


def differences_table(step: Step) -> Table:
    """One row per setting or version."""
    columns = [Column(key, str, heading) for key, heading in (("what", "What"), ("before", "Before"), ("now", "Now"))]
    rows = [{"what": what, "before": before, "now": now} for what, before, now in step.differences]
    return Table("differences", f"What else changed from {step.earlier} to {step.later}", columns, rows)


def _difference(change: Change) -> float | None:
    return None if change.before is None or change.now is None else change.now - change.before


def _verdict(change: Change) -> str:
    difference = _difference(change)
    if change.note or difference is None or change.p_holm is None:
        return change.note
    if change.worse:
        return "worse"
    return "better" if change.significant and difference > 0 else "no significant change"


def _differences(earlier: RunResults, later: RunResults) -> Iterator[tuple[str, str, str]]:
    before, now = dict(_facts(earlier)), dict(_facts(later))
    for name in dict.fromkeys([*before, *now]):
        if before.get(name) != now.get(name):
            yield name, before.get(name, "–"), now.get(name, "–")


def _facts(run: RunResults) -> Facts:
    dataset = run.dataset
    facts: Facts = [("data set", f"{dataset.name} {dataset.version}")] if dataset else []
    facts += [("test cases", str(len(case_names(unit.rows for unit in run.units))))]
    if run.recipe:
        models = {entry.model: entry.set or "as it is" for entry in run.recipe.models}
        settings = flattened({**run.recipe.model_dump(mode="json", exclude=_NO_SETTINGS), "models": models})
        facts += [(name.replace(" ", "."), value) for name, value in settings]
    return facts + flattened({key: value for key, value in run.environment.items() if key not in _STAMPS})
