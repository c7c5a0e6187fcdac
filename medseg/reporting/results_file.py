"""``results.json``: everything that a report says, for programs, under a versioned schema."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from medseg.artifacts import CalibrationBin

RESULTS_VERSION: Literal[1] = 1  # raise when a field goes away or changes its meaning


def _finite(value: object) -> object:
    """What is undefined is null: NaN is no JSON."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
Scores = dict[str, Number]  # metric to value


class Part(BaseModel):
    """A part of the file; fields that are not named here do not get in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_bytes(self) -> bytes:
        """One value per line, in the order of the schema."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


class DataResult(Part):
    """Which data the models saw; what the store does not say is null or empty."""

    name: str | None
    version: str | None
    modality: str | None
    dimensions: int | None
    classes: list[str]
    cases: int
    patients: int
    test_cases: list[str]


class TrainingResult(Part):
    """One model, seed and fold.

    Attributes:
        scores: means over test cases, then classes.
        confusion: voxels, rows by reference, columns by prediction, background first.
    """

    seed: int
    fold: int
    status: Literal["succeeded", "failed", "incomplete"]
    reason: str
    scores: Scores
    confusion: list[list[int]] | None
    calibration: list[CalibrationBin] | None


class CostResult(Part):
    """What a model costs; units are in the names, giga is 10^9, memory is of the worst training, GMACs of a patch."""

    seconds_per_case: Number
    seconds_per_case_p95: Number
    train_seconds: Number
    device_hours: Number
    device: str
    parameters_millions: Number
    gmacs: Number
    patch: str | None
    train_peak_gb: Number
    predict_peak_gb: Number
    pareto: bool | None


class ModelResult(Part):
    """One model over all its trainings; ``models/<model>/summary.json`` too.

    Attributes:
        rank, rank_low, rank_high, mean_rank: by Dice, among the models of its group; null without a full result.
        group: ``scratch`` or ``pretrained``; null where nothing says from which weights it was to start.
        weights: what trainings started from; empty where nothing says it.
        classes: one mapping per class, with the columns of ``classes.csv``.
    """

    model: str
    group: str | None
    weights: str
    status: Literal["succeeded", "failed", "incomplete"]
    reason: str
    rank: int | None
    rank_low: int | None
    rank_high: int | None
    mean_rank: Number
    scores: Scores
    dice_low: Number
    dice_high: Number
    dice_spread: Number
    absence_specificity: Number
    cost: CostResult
    classes: list[dict[str, str | int | Number]]
    trainings: list[TrainingResult]


class StandingResult(Part):
    """One model by one metric; fields as in ``ranks.csv``.

    Attributes:
        rank_shares: part of the bootstrap samples in which it has rank 1, 2 and so on.
    """

    model: str
    mean: Number
    low: Number
    high: Number
    rank: int
    rank_low: int | None
    rank_high: int | None
    mean_rank: Number
    rank_by_mean_rank: int
    seed_spread: Number
    rank_shares: list[float]


class RankingResult(Part):
    """All models of a group by one metric.

    Attributes:
        tau_bootstrap, tau_methods: Kendall's tau to the rankings of bootstrap samples, and between the two methods.
    """

    group: str
    metric: str
    standings: list[StandingResult]
    tau_bootstrap: Number
    tau_methods: Number


class PairResult(Part):
    """Two models of a group by one metric; fields as in ``pairs.csv``."""

    group: str
    metric: str
    first: str
    second: str
    difference: Number
    low: Number
    high: Number
    seed_spread: Number
    cases: int
    p: Number
    p_holm: Number
    opposed: bool
    significant: bool


class TauResult(Part):
    """Kendall's tau between the rankings of a group by two metrics."""

    group: str
    first: str
    second: str
    tau: Number


class ChangeResult(Part):
    """One model against an earlier run, by mean Dice over the test cases of both.

    Attributes:
        run_id, started: of the last earlier run that scored the model; empty where none did.
        note: why there is no comparison, or what limits it; else empty.
    """

    model: str
    run_id: str
    started: str
    before: Number
    now: Number
    low: Number
    high: Number
    spread: Number
    cases: int
    p: Number
    p_holm: Number
    worse: bool
    better: bool
    note: str


class TrendResult(Part):
    """The run against earlier finished runs of the same name and data set."""

    changes: list[ChangeResult]


class Results(Part):
    """The whole file.

    Attributes:
        made: when the report was made, UTC: all that differs between two reports over the same scores.
        name: of the recipe.
        budget: what every training was allowed, and how its predictions were scored, as the page says it.
        environment: when the run started, and the versions of what it ran on.
        trend: null without a predecessor.
        faults: files that are missing or damaged, each with its name.
    """

    schema_version: Literal[1] = RESULTS_VERSION
    made: str
    medseg: str
    run_id: str
    name: str | None
    budget: dict[str, str]
    environment: dict[str, Any]
    data: DataResult
    models: list[ModelResult]
    rankings: list[RankingResult]
    pairs: list[PairResult]
    taus: list[TauResult]
    trend: TrendResult | None
    faults: list[str] = Field(default=[])


def schema() -> bytes:
    """JSON Schema of the file."""
    return (json.dumps(Results.model_json_schema(), indent=1) + "\n").encode()
