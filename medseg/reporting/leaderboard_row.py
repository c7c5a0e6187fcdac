"""One model over all its trainings: its scores, its costs, and what became of it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medseg.artifacts import Summary
from medseg.config import NO_WEIGHTS, Recipe
from medseg.errors import RecipeError
from medseg.metrics.aggregate import Aggregate, aggregate, or_none
from medseg.models import registry
from medseg.reporting.comparisons import PRETRAINED, SCRATCH, seed_spread
from medseg.reporting.results import RunResults, State, UnitResult

BYTES_PER_GB = 1e9
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class LeaderboardRow:
    """One model; a number is None where it is undefined or was not reached.

    Attributes:
        rank: None for a model of which any training failed or is incomplete, where its scores are those of the others,
            and for one without a mean Dice.
        dice, iou, sensitivity, specificity, hd95_mm, nsd, precision: test-set means over cases, then trainings,
            then classes.
        seconds_per_case, train_seconds: means over the trainings.
        dice_low, dice_high: 95% bootstrap interval of mean Dice over patients.
        rank_low, rank_high: middle 95% of the ranks over bootstrap samples.
        mean_rank: of its ranks by Dice in every case and class.
        absence_specificity: part of the cases without a class in which none was predicted, mean over the classes that
            are absent somewhere.
        dice_spread: standard deviation of mean Dice between the trainings; None for a single one.
        seconds_per_case_p95: mean over the trainings.
        device_hours: training time times devices, all trainings together.
        gmacs: multiply-adds of one patch, in thousand millions; ``patch``: its size in voxels.
        train_peak_gb, predict_peak_gb: the most memory of any training, 10^9 bytes.
        pareto: no other ranked model of its group is at least as good in Dice and as cheap and one of them strictly,
            where cheap means seconds per case or device hours; None without a rank.
        weights: what trainings started from, or were to start from: ``none`` for random weights, empty where nothing
            says it.
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
    patch: str | None
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

    @property
    def group(self) -> str | None:
        """Of the models that it may be compared with; None where its weights are unknown."""
        return (SCRATCH if self.weights == NO_WEIGHTS else PRETRAINED) if self.weights else None


def outcome(units: Sequence[UnitResult]) -> tuple[State, str]:
    """The state of a model from those of its trainings, and why it has not succeeded."""
    states = {unit.state for unit in units}
    return "failed" if "failed" in states else "incomplete" if "incomplete" in states else "succeeded", _reason(units)


def row_of_model(results: RunResults, model: str) -> LeaderboardRow:
    """All but its place among the others, which ``rank_models`` gives."""
    units = results.of_model(model)
    scored = [unit for unit in units if unit.rows]
    repeats = results.repeats(model)
    means = aggregate(repeats)
    summaries = [unit.summary for unit in scored if unit.summary]
    status, reason = outcome(units)
    device_seconds = [s.train_seconds * s.devices for s in summaries]
    return LeaderboardRow(
        rank=None,
        model=model,
        status=status,
        **means.scores,  # type: ignore[arg-type]  # one field per metric
        absence_specificity=_absence_specificity(means),
        dice_spread=or_none(seed_spread(repeats, "dice")),
        seconds_per_case=_mean(s.seconds_per_case for s in summaries),
        seconds_per_case_p95=_mean(s.seconds_per_case_p95 for s in summaries),
        train_seconds=_mean(s.train_seconds for s in summaries),
        device_hours=sum(device_seconds) / SECONDS_PER_HOUR if device_seconds else None,
        parameters_millions=summaries[0].parameters / 1e6 if summaries else None,
        gmacs=next((s.multiply_adds / 1e9 for s in summaries if s.multiply_adds is not None), None),
        patch=next((" x ".join(map(str, s.patch)) for s in summaries if s.patch), None),
        train_peak_gb=_peak_gb(s.train_peak_bytes for s in summaries),
        predict_peak_gb=_peak_gb(s.predict_peak_bytes for s in summaries),
        device=", ".join(sorted({s.device for s in summaries})),
        weights=_weights(results.recipe, model, summaries),
        trainings=len(units),
        trainings_succeeded=len(scored),
        reason=reason,
    )


def _weights(recipe: Recipe | None, model: str, summaries: Sequence[Summary]) -> str:
    """Those that trainings started from; without any, what the recipe asks for."""
    if summaries:
        return next((summary.weights.place for summary in summaries if summary.weights), NO_WEIGHTS)
    try:
        return registry.unit_config(recipe, model).weights if recipe else ""
    except RecipeError:  # of another version of medseg, or the recipe does not list a model whose files are there
        return ""


def _reason(units: Sequence[UnitResult]) -> str:
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
