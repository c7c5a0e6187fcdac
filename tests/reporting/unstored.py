"""Runs whose scores a test writes down itself, without a store."""

from __future__ import annotations

from collections.abc import Sequence

from medseg.artifacts import Dataset, PretrainedWeights, Summary
from medseg.config import Recipe
from medseg.metrics.case import METRICS, ClassScore
from medseg.metrics.lesions import Lesions
from medseg.metrics.overlap import Counts
from medseg.metrics.table import ScoreRow
from medseg.reporting.results import RunResults, UnitResult


def run(*units: UnitResult, run_id: str = "demo-1", version: str = "v1", recipe: Recipe | None = None) -> RunResults:
    dataset = Dataset(
        channel_names={"0": "CT"},
        labels={"background": 0, "liver": 1},
        numTraining=1,
        name="organs",
        version=version,
        modality="ct",
        dimensions=3,
        layout="pairs",
    )
    uri, environment = f"/store/runs/{run_id}", {"started": "2026-01-01"}
    return RunResults(uri, recipe, environment, list(units), dataset, None, [], None, None, [])


def scored(
    model: str, dice: Sequence[float], class_name: str = "liver", lesions: Lesions | None = None, **summary: object
) -> UnitResult:
    """A finished training.

    Args:
        dice: what every metric of each case is.
        lesions: of each case.
        summary: further fields of its summary.
    """
    rows = [
        ScoreRow(
            f"case_{i}",
            f"patient_{i}",
            ClassScore(class_name, **dict.fromkeys(METRICS, float(value)), counts=Counts(1, 0, 0, 1), lesions=lesions),
        )
        for i, value in enumerate(dice)
    ]
    return UnitResult(model, 0, 0, "", "succeeded", "", None, _summary(model, **summary), rows)


def failed(model: str) -> UnitResult:
    return UnitResult(model, 0, 0, "", "failed", "out of memory")


def _summary(model: str, weights: str = "", **more: object) -> Summary:
    required = {"seed": 0, "fold": 0, "dataset_uri": "d", "preprocessed_uri": "p", "cases": 1, "cases_missing": 0}
    scores = {"evaluate": {}, "scores": {}, "per_class": {}, "pooled": {}}
    costs = {"seconds_per_case": 1.0, "train_seconds": 3600.0, "parameters": 1, "device": "cpu"}
    start = PretrainedWeights(place=weights, sha256="") if weights else None
    return Summary(model=model, weights=start, **{**required, **scores, **costs, **more})  # type: ignore[arg-type]
