"""How models changed from an earlier run to a later one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from medseg.metrics.comparing import compare
from medseg.metrics.statistics import SIGNIFICANCE, holm
from medseg.metrics.table import ScoreRow
from medseg.reporting.comparisons import scores_of_models
from medseg.reporting.differences import changed_settings
from medseg.reporting.results import RunResults
from medseg.reporting.table import Column, Table

EARLIER, LATER = "earlier", "later"
MOST_SETTINGS = 5  # that are named


@dataclass(frozen=True)
class Change:
    """One model in two runs, by mean Dice over the test cases that both scored.

    Attributes:
        run_id, started: of the earlier run; empty where none scored the model.
        before, now: means over the common cases, then over classes; None where undefined.
        cases: how many test cases both runs scored.
        low, high: 95% bootstrap interval of the change over patients; NaN with fewer than two patients.
        spread: standard deviation of the change that the trainings alone make; None where a run has one training.
        p: paired Wilcoxon signed-rank test over cases, two-sided; None where there is nothing to test.
        p_holm: corrected over the models of the run.
        worse, better: significantly: ``p_holm`` is below 0.05, and the cases say the same as the means.
        note: why there is no comparison, or what limits it; else empty.
    """

    model: str
    run_id: str = ""
    started: str = ""
    before: float | None = None
    now: float | None = None
    cases: int = 0
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    p: float | None = None
    p_holm: float | None = None
    worse: bool = False
    better: bool = False
    note: str = ""

    @property
    def difference(self) -> float | None:
        return None if self.before is None or self.now is None else self.now - self.before

    @property
    def verdict(self) -> str:
        """What the numbers mean, with the note."""
        if self.p_holm is None:
            return self.note
        chance = "no significant change" if self.p_holm >= SIGNIFICANCE else "cases and means disagree"
        verdict = "worse" if self.worse else "better" if self.better else chance
        return f"{verdict}; {self.note}" if self.note else verdict


def changes(earlier: Mapping[str, RunResults | None], later: RunResults) -> tuple[Change, ...]:
    """Models tested case by case, with Holm's correction over them.

    Args:
        earlier: by model, the run that it is held against.
    """
    found = [_change(model, run, later) if run else _new(model) for model, run in earlier.items()]
    corrected = iter(holm([change.p for change in found if change.p is not None]))
    return tuple(change if change.p is None else _corrected(change, float(next(corrected))) for change in found)


def changes_table(found: Sequence[Change], caption: str) -> Table:
    """One row per model; people read against which run where that is not the same for all."""
    runs = {change.run_id for change in found if change.run_id}
    columns = [
        Column("model", str, "Model"),
        Column("run_id", str, "Against run" if len(runs) > 1 else ""),
        Column("before", float, "Before"),
        Column("now", float, "Now"),
        Column("change", float, "Change (95% interval)", interval=("low", "high")),
        Column("cases", int, "Cases"),
        Column("p_holm", float, "p (Holm)"),
        Column("verdict", str, "Verdict"),
    ]
    rows = [
        {**asdict(change), "run_id": change.run_id or None, "change": change.difference, "verdict": change.verdict}
        for change in found
    ]
    return Table("changes", caption, columns, rows)


def describe_worse(change: Change) -> str:
    """One line about a model that got worse."""
    spread = "unknown, with one training" if change.spread is None else f"{change.spread:.4f}"
    note = f"; {change.note}" if change.note else ""
    return (
        f"{change.model}: Dice {change.now:.4f}, was {change.before:.4f} in run {change.run_id}, started"
        f" {change.started} (mean over {change.cases} common test cases, p = {change.p_holm:.2g} after Holm's"
        f" correction; spread between trainings {spread}{note})"
    )


def differ(one: str | None, other: str | None) -> bool:
    """Whether two names are known and not the same."""
    return None not in (one, other) and one != other


def _new(model: str) -> Change:
    return Change(model, note="no earlier run has scores of it")


def _change(model: str, earlier: RunResults, later: RunResults) -> Change:
    change = Change(model, earlier.run_id, earlier.started)
    before, now = earlier.repeats(model), later.repeats(model)
    if note := _obstacle(earlier, later, before, now):
        return replace(change, note=note)
    (scores,) = scores_of_models({EARLIER: before, LATER: now}, ("dice",))
    if not scores.cases or not scores.classes:
        what = "test cases" if not scores.cases else "classes"
        return replace(change, note=f"the runs have no {what} in common")
    comparison = compare([scores])
    if not comparison.pairs:
        return replace(change, cases=len(scores.cases), note="Dice is undefined")
    means = {standing.model: standing.mean for standing in comparison.rankings["dice"].standings}
    pair = comparison.pairs[0]
    return replace(
        change,
        before=means[EARLIER],
        now=means[LATER],
        cases=len(scores.cases),
        low=pair.low if pair.first == LATER else 0.0 - pair.high,
        high=pair.high if pair.first == LATER else 0.0 - pair.low,
        spread=None if math.isnan(pair.seed_spread) else pair.seed_spread,
        p=pair.p,
        worse=pair.significant and means[LATER] < means[EARLIER],
        better=pair.significant and means[LATER] > means[EARLIER],
        note=_limit(earlier, later, model),
    )


def _obstacle(earlier: RunResults, later: RunResults, before: list[list[ScoreRow]], now: list[list[ScoreRow]]) -> str:
    """Why there can be no comparison."""
    if not before or not now:
        return f"no scores in run {(later if before else earlier).run_id}"
    names = [results.dataset.name if results.dataset else None for results in (earlier, later)]
    return f"another data set: {names[0]} before, {names[1]} now" if differ(*names) else ""


def _limit(earlier: RunResults, later: RunResults, model: str) -> str:
    """What else but the model may have changed its scores."""
    versions = [results.dataset.version if results.dataset else None for results in (earlier, later)]
    limits = [f"another version of the data set: {versions[0]} before, {versions[1]} now"] if differ(*versions) else []
    if settings := changed_settings(earlier, later, model):
        more = f" and {len(settings) - MOST_SETTINGS} more" if len(settings) > MOST_SETTINGS else ""
        limits.append(f"other settings: {', '.join(settings[:MOST_SETTINGS])}{more}")
    return "; ".join(limits)


def _corrected(change: Change, p_holm: float) -> Change:
    sure = p_holm < SIGNIFICANCE
    return replace(change, p_holm=p_holm, worse=change.worse and sure, better=change.better and sure)
