"""How a run stands against the last finished run of the same name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from medseg import artifacts
from medseg.artifacts import RunRecord
from medseg.metrics.comparing import compare
from medseg.metrics.statistics import SIGNIFICANCE, holm
from medseg.metrics.table import ScoreRow
from medseg.reporting.comparisons import scores_of_models
from medseg.reporting.results import RunResults
from medseg.reporting.run_reader import read_run
from medseg.reporting.run_records import read_records

EARLIER, LATER = "earlier", "later"


@dataclass(frozen=True)
class Change:
    """One model in two runs, by mean Dice over the test cases that both scored.

    Attributes:
        before, now: means over the common cases, then over classes; None where undefined.
        cases: how many test cases both runs scored.
        p: paired Wilcoxon signed-rank test over cases, two-sided; None where there is nothing to test.
        p_holm: corrected over the models of the run.
        worse: significantly: ``p_holm`` is below 0.05 and the mean went down.
        note: why there is no comparison, such as other test cases; else empty.
        low, high: 95% bootstrap interval of the change over patients; NaN with fewer than two patients.
    """

    model: str
    before: float | None
    now: float | None
    cases: int
    p: float | None
    p_holm: float | None
    worse: bool
    note: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the model changed for better or worse, and not by chance alone."""
        return self.p_holm is not None and self.p_holm < SIGNIFICANCE


@dataclass(frozen=True)
class Trend:
    """A run against its predecessor.

    Attributes:
        run_id, started: of the predecessor.
        changes: one per model of either run, in this run's order.
    """

    run_id: str
    started: str
    changes: tuple[Change, ...]

    @property
    def worse(self) -> tuple[Change, ...]:
        """Models that got significantly worse."""
        return tuple(change for change in self.changes if change.worse)


def find_trend(results: RunResults) -> tuple[Trend | None, list[str]]:
    """A run against the latest finished one of the same name that started before it.

    Returns:
        None where there is no such run; and what could not be read on the way, each with its name.
    """
    if not results.recipe or not results.started:
        return None, []
    store_uri = artifacts.store_uri_of_run(results.run_uri)
    records, faults = read_records(store_uri)
    for record in _predecessors(records, results, results.recipe.name):
        earlier = read_run(artifacts.run_uri(store_uri, record.run_id))
        if any(unit.rows for unit in earlier.units):
            return Trend(record.run_id, record.started, changes(earlier, results)), faults
        faults.append(f"{earlier.run_uri}: finished on {record.finished}, but its scores are not there any more")
    return None, faults


def changes(earlier: RunResults, later: RunResults) -> tuple[Change, ...]:
    """Every model of two runs, tested case by case, with Holm's correction over the models."""
    models = list(dict.fromkeys([*later.models, *earlier.models]))
    found = [_change(model, earlier, later) for model in models]
    tested = [change for change in found if change.p is not None]
    corrected = dict(zip((c.model for c in tested), holm([c.p for c in tested if c.p is not None]), strict=True))
    return tuple(
        _judged(replace(change, p_holm=corrected[change.model])) if change.model in corrected else change
        for change in found
    )


def describe_worse(change: Change) -> str:
    """One line about a model that got worse."""
    return (
        f"{change.model}: Dice {change.now:.4f}, was {change.before:.4f} (mean over {change.cases} common test cases,"
        f" p = {change.p_holm:.2g} after Holm's correction)"
    )


def _predecessors(records: Sequence[RunRecord], results: RunResults, name: str) -> Iterator[RunRecord]:
    """The latest first."""
    for record in reversed(records):
        if record.name == name and record.run_id != results.run_id and "" < record.started < results.started:
            yield record


def _change(model: str, earlier: RunResults, later: RunResults) -> Change:
    before, now = _repeats(earlier, model), _repeats(later, model)
    if note := _not_comparable(earlier, later, before, now):
        return Change(model, None, None, 0, None, None, worse=False, note=note)
    scores = scores_of_models({EARLIER: before, LATER: now}, "dice")
    if not scores.cases or not scores.classes:
        what = "test cases" if not scores.cases else "classes"
        return Change(model, None, None, 0, None, None, worse=False, note=f"the runs have no {what} in common")
    comparison = compare([scores])
    if not comparison.pairs:
        return Change(model, None, None, len(scores.cases), None, None, worse=False, note="Dice is undefined")
    means = {standing.model: standing.mean for standing in comparison.rankings["dice"].standings}
    pair = comparison.pairs[0]
    low, high = (pair.low, pair.high) if pair.first == LATER else (0.0 - pair.high, 0.0 - pair.low)
    return Change(model, means[EARLIER], means[LATER], len(scores.cases), pair.p, None, False, "", low, high)


def _repeats(results: RunResults, model: str) -> list[list[ScoreRow]]:
    return [unit.rows for unit in results.of_model(model) if unit.rows]


def _not_comparable(
    earlier: RunResults, later: RunResults, before: list[list[ScoreRow]], now: list[list[ScoreRow]]
) -> str:
    if not before or not now:
        return f"no scores in run {(later if before else earlier).run_id}"
    names = [results.dataset.name if results.dataset else "an unknown one" for results in (earlier, later)]
    return "" if names[0] == names[1] else f"another data set: {names[0]} before, {names[1]} now"


def _judged(change: Change) -> Change:
    went_down = change.before is not None and change.now is not None and change.now < change.before
    return replace(change, worse=change.significant and went_down)
