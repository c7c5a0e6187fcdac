"""The ranking: one row per model, best mean Dice first, models without a full result last."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace

from medseg.config import NO_WEIGHTS
from medseg.metrics.aggregate import aggregate
from medseg.reporting.results import RunResults, State, UnitResult

TIE_DIGITS = 9  # Dice values that agree this far share a rank: the rest is rounding of sums


@dataclass(frozen=True)
class LeaderboardRow:
    """One model; a number is None where it is undefined or was not reached.

    Attributes:
        rank: None for a model of which any training failed or is incomplete; its scores are those of the others.
        dice, iou, sensitivity, specificity, hd95_mm, nsd, precision: test-set means over cases, then classes;
            seeds and folds are averaged per case before.
        seconds_per_case, train_seconds: means over the trainings.
        dice_spread: standard deviation of mean Dice between the trainings; None for a single one.
        trainings, trainings_succeeded: seeds times folds, and how many of them gave scores.
        weights: what trainings started from, ``none`` where from random weights.
        reason: why
    """

    rank: int | None
    model: str
    status: State
    dice: float | None
    iou: float | None
    sensitivity: float | None
    specificity: float | None
    hd95_mm: float | None
    nsd: float | None
    seconds_per_case: float | None
    train_seconds: float | None
    parameters_millions: float | None
    precision: float | None
    hd_mm: float | None
    assd_mm: float | None
    volume_error_ml: float | None
    relative_volume_error: float | None
    dice_spread: float | None
    weights: str
    trainings: int
    trainings_succeeded: int
    reason: str


def rank_models(results: RunResults) -> list[LeaderboardRow]:
    """Ranked by mean Dice, equal values share the better rank; then the unranked, both also by name.

    Models that started from random weights and from pretrained ones are ranked apart.
    """
    rows = [_row(model, results.of_model(model)) for model in results.models]
    ranked = [row for row in rows if row.status == "succeeded" and row.dice is not None]
    placed = [replace(row, rank=1 + sum(_better(other, row) for other in ranked)) for row in ranked]
    unranked = [row for row in rows if row not in ranked]
    by_status = {"succeeded": 0, "incomplete": 1, "failed": 2}
    return sorted(placed, key=lambda row: (_pretrained(row), row.rank or 0, row.model)) + sorted(
        unranked, key=lambda row: (by_status[row.status], row.model)
    )


def _better(other: LeaderboardRow, row: LeaderboardRow) -> bool:
    ahead = round(other.dice or 0.0, TIE_DIGITS) > round(row.dice or 0.0, TIE_DIGITS)
    return ahead and _pretrained(other) == _pretrained(row)


def _pretrained(row: LeaderboardRow) -> bool:
    return row.weights != NO_WEIGHTS


def _row(model: str, units: list[UnitResult]) -> LeaderboardRow:
    scored = [unit for unit in units if unit.rows]
    scores = aggregate([unit.rows for unit in scored]).scores
    summaries = [unit.summary for unit in scored if unit.summary]
    states = {unit.state for unit in units}
    status: State = "failed" if "failed" in states else "incomplete" if "incomplete" in states else "succeeded"
    return LeaderboardRow(
        rank=None,
        model=model,
        status=status,
        **scores,
        seconds_per_case=_mean(s.seconds_per_case for s in summaries),
        train_seconds=_mean(s.train_seconds for s in summaries),
        parameters_millions=summaries[0].parameters / 1e6 if summaries else None,
        weights=next((s.weights.place for s in summaries if s.weights), NO_WEIGHTS),
        dice_spread=_spread(aggregate([unit.rows]).scores["dice"] for unit in scored),
        trainings=len(units),
        trainings_succeeded=len(scored),
        reason=_reason(units),
    )


def _reason(units: list[UnitResult]) -> str:
    """Each distinct reason once, with the trainings it holds for where the model has several."""
    reasons: dict[str, list[str]] = {}
    for unit in units:
        if unit.reason:
            reasons.setdefault(unit.reason, []).append(f"seed {unit.seed} fold {unit.fold}")
    if len(units) == 1:
        return "".join(reasons)
    return "; ".join(f"{', '.join(where)}: {reason}" for reason, where in reasons.items())


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _spread(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 else None
