"""The ranking: one row per model, best mean Dice first, models without a full result last."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medseg.config import NO_WEIGHTS
from medseg.metrics.aggregate import Aggregate, aggregate
from medseg.metrics.comparing import pareto_front
from medseg.metrics.ranking import Comparison, Standing
from medseg.reporting.results import RunResults, State, UnitResult

BYTES_PER_GB = 1e9
SECONDS_PER_HOUR = 3600
COSTS = ("seconds_per_case", "device_hours")  # against which models are efficient or not


@dataclass(frozen=True)
class LeaderboardRow:
    """One model; a number is None where it is undefined or was not reached.

    Attributes:
        rank: None for a model of which any training failed or is incomplete; its scores are those of the others.
        dice, iou, sensitivity, specificity, hd95_mm, nsd, precision: test-set means over cases, then classes;
            seeds and folds are averaged per case before.
        seconds_per_case, train_seconds: means over the trainings.
        dice_low, dice_high: 95% bootstrap interval of mean Dice over patients.
        rank_low, rank_high: middle 95% of the ranks over bootstrap samples.
        mean_rank: of its ranks by Dice in every case and class.
        absence_specificity: part of the cases without a class in which none was predicted, mean over the classes that
            are absent somewhere.
        dice_spread: standard deviation of mean Dice between the trainings; None for a single one.
        seconds_per_case_p95: mean over the trainings.
        device_hours: training time times devices, all trainings together.
        gmacs: multiply-adds of one patch, in thousand millions.
        train_peak_gb, predict_peak_gb: the most memory of any training, 10^9 bytes.
        pareto: no other ranked model is at least as good in Dice and as cheap and one of them strictly, where cheap
            means seconds per case or device hours; None without a rank.
        weights: what trainings started from, ``none`` where from random weights.
        trainings, trainings_succeeded: seeds times folds, and how many of them gave scores.
        reason: why it has no rank, else empty.
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
    absence_specificity: float | None
    dice_spread: float | None
    seconds_per_case_p95: float | None
    device_hours: float | None
    gmacs: float | None
    train_peak_gb: float | None
    predict_peak_gb: float | None
    device: str
    weights: str
    trainings: int
    trainings_succeeded: int
    reason: str
    dice_low: float | None = None
    dice_high: float | None = None
    rank_low: int | None = None
    rank_high: int | None = None
    mean_rank: float | None = None
    pareto: bool | None = None


def rank_models(results: RunResults, comparisons: Mapping[str, Comparison]) -> list[LeaderboardRow]:
    """Ranked by mean Dice, equal values share the better rank; then the unranked, both also by name.

    Args:
        comparisons: of the same results, which hold the ranks: models that started from random weights and from
            pretrained ones have their own.
    """
    standings = _standings(comparisons)
    rows = [_row(model, results.of_model(model)) for model in results.models]
    ranked = [_placed(row, standings[row.model]) for row in rows if row.model in standings and row.dice is not None]
    front = set().union(*(efficient_models(ranked, cost) for cost in COSTS))
    names = {row.model for row in ranked}
    unranked = [row for row in rows if row.model not in names]
    by_status = {"succeeded": 0, "incomplete": 1, "failed": 2}
    return [
        replace(row, pareto=row.model in front)
        for row in sorted(ranked, key=lambda row: (row.weights != NO_WEIGHTS, row.rank or 0, row.model))
    ] + sorted(unranked, key=lambda row: (by_status[row.status], row.model))


def efficient_models(rows: Sequence[LeaderboardRow], cost: str) -> set[str]:
    """Models on the Pareto front of mean Dice against a column where less is better."""
    front = pareto_front(_values(rows, "dice"), _values(rows, cost))
    return {row.model for row, efficient in zip(rows, front, strict=True) if efficient}


def _values(rows: Sequence[LeaderboardRow], column: str) -> NDArray[np.float64]:
    values = [getattr(row, column) for row in rows]
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _standings(comparisons: Mapping[str, Comparison]) -> dict[str, Standing]:
    """Of every compared model, by Dice."""
    rankings = [comparison.rankings.get("dice") for comparison in comparisons.values()]
    return {standing.model: standing for ranking in rankings if ranking for standing in ranking.standings}


def _placed(row: LeaderboardRow, standing: Standing) -> LeaderboardRow:
    return replace(
        row,
        rank=standing.rank,
        dice_low=_defined(standing.low),
        dice_high=_defined(standing.high),
        rank_low=standing.rank_low,
        rank_high=standing.rank_high,
        mean_rank=_defined(standing.mean_rank),
    )


def _row(model: str, units: list[UnitResult]) -> LeaderboardRow:
    scored = [unit for unit in units if unit.rows]
    means = aggregate([unit.rows for unit in scored])
    summaries = [unit.summary for unit in scored if unit.summary]
    states = {unit.state for unit in units}
    status: State = "failed" if "failed" in states else "incomplete" if "incomplete" in states else "succeeded"
    device_seconds = [s.train_seconds * s.devices for s in summaries]
    return LeaderboardRow(
        rank=None,
        model=model,
        status=status,
        **means.scores,  # type: ignore[arg-type]  # one field per metric
        absence_specificity=_absence_specificity(means),
        dice_spread=_spread(aggregate([unit.rows]).scores["dice"] for unit in scored),
        seconds_per_case=_mean(s.seconds_per_case for s in summaries),
        seconds_per_case_p95=_mean(s.seconds_per_case_p95 for s in summaries),
        train_seconds=_mean(s.train_seconds for s in summaries),
        device_hours=sum(device_seconds) / SECONDS_PER_HOUR if device_seconds else None,
        parameters_millions=summaries[0].parameters / 1e6 if summaries else None,
        gmacs=next((s.multiply_adds / 1e9 for s in summaries if s.multiply_adds is not None), None),
        train_peak_gb=_peak_gb(s.train_peak_bytes for s in summaries),
        predict_peak_gb=_peak_gb(s.predict_peak_bytes for s in summaries),
        device=", ".join(sorted({s.device for s in summaries})),
        weights=next((s.weights.place for s in summaries if s.weights), NO_WEIGHTS),
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


def _absence_specificity(means: Aggregate) -> float | None:
    return _mean(absence.specificity for absence in means.absence.values() if absence.cases)


def _peak_gb(peaks: Iterable[int | None]) -> float | None:
    known = [peak for peak in peaks if peak is not None]
    return max(known) / BYTES_PER_GB if known else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _spread(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 else None


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
