"""How a run stands against the last finished run of the same name."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    model: str
    before: float | None
    now: float | None
    cases: int
    p: float | None
    p_holm: float | None
    worse: bool
    note: str = ""


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
