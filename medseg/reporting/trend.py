"""The models of a run against the last earlier run of the same name that scored them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from medseg import artifacts
from medseg.artifacts import RunRecord
from medseg.reporting.changes import Change, changes, differ
from medseg.reporting.results import RunResults
from medseg.reporting.run_reader import read_run
from medseg.reporting.run_records import read_records


@dataclass(frozen=True)
class Trend:
    """A run against its predecessors.

    Attributes:
        changes: one per model, in this run's order, then those that only the last run had.
    """

    changes: tuple[Change, ...]

    @property
    def runs(self) -> dict[str, str]:
        """The earlier runs with their starts, latest first."""
        found = {(change.started, change.run_id) for change in self.changes if change.run_id}
        return {run_id: started for started, run_id in sorted(found, reverse=True)}

    @property
    def worse(self) -> tuple[Change, ...]:
        """Models that got significantly worse."""
        return tuple(change for change in self.changes if change.worse)


def find_trend(results: RunResults) -> tuple[Trend | None, list[str]]:
    """Every model against the latest finished run of this name and data set that started earlier and scored it.

    Returns:
        None where there is no such run; and what could not be read on the way, each with its name.
    """
    if not results.recipe or not results.started:
        return None, []
    records, faults = read_records(artifacts.store_uri_of_run(results.run_uri))
    found = _last_scored(_predecessors(records, results, results.recipe.name), results, faults)
    models = dict.fromkeys([*results.models, *found])
    return Trend(changes({model: found.get(model) for model in models}, results)) if found else None, faults


def _predecessors(records: Iterable[RunRecord], results: RunResults, name: str) -> list[RunRecord]:
    """The latest first; of runs that started in one second, the one with the greater id is the later one."""
    this = results.started, results.run_id
    dataset = results.dataset.name if results.dataset else None
    earlier = [
        record
        for record in records
        if record.name == name
        and record.run_id != results.run_id
        and record.started
        and (record.started, record.run_id) < this
        and not differ(record.dataset, dataset)
    ]
    return earlier[::-1]


def _last_scored(records: Iterable[RunRecord], results: RunResults, faults: list[str]) -> dict[str, RunResults]:
    """By model, the first of these runs that has its scores: of this run's models, and of those of the first one.

    Args:
        faults: gets a line for every run whose scores are no longer where its record says.
    """
    store_uri = artifacts.store_uri_of_run(results.run_uri)
    wanted, found = set(results.models), dict[str, RunResults]()
    for place, record in enumerate(records):
        recorded = {model.model for model in record.models if model.dice is not None}
        wanted |= recorded if place == 0 else set()
        if not (missing := (wanted & recorded) - set(found)):
            continue
        run = read_run(artifacts.run_uri(store_uri, record.run_id))
        scored = {unit.model for unit in run.units if unit.rows}
        found |= dict.fromkeys((model for model in run.models if model in missing & scored), run)
        if gone := sorted(missing - scored):
            faults.append(
                f"{run.run_uri}: finished on {record.finished}, but its scores of {', '.join(gone)} are not there any"
                " more"
            )
    return found
