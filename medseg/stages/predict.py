"""The heavy half of evaluate: every test case is predicted on its native grid and scored against its reference."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from medseg.artifacts import METRICS_FILE, MODEL_FILE, SUMMARY_FILE, Dataset, Plan, Summary
from medseg.config import EvaluateConfig
from medseg.errors import StageError
from medseg.metrics.aggregate import aggregate
from medseg.metrics.case import Scoring
from medseg.metrics.table import write_metrics
from medseg.stages.predict_cases import predict_cases
from medseg.stages.preprocess import load_dataset, load_preprocessed
from medseg.stages.score_cases import CaseScoring, Outcome, TestPart
from medseg.storage import Store
from medseg.storage.cache import cached_folder
from medseg.training.checkpoint import load
from medseg.types import Case


def predict_and_score(
    store: Store, preprocessed_uri: str, config: EvaluateConfig, model: str, seed: int, fold: int
) -> Summary:
    """Predict and score the test part with the unit's ``model.pt`` and write predictions, scores and summary.

    Predictions are NIfTI files on the grid of the data set's images. ``seconds_per_case`` is from the preprocessed
    array to classes and foreground probability on that grid; reading, writing and scoring do not count. The case before
    is scored meanwhile: beside a GPU, or a core that torch leaves free, that costs nothing; a network that computes on
    all cores takes longer by up to the time of that scoring, and its ``predict_peak_bytes`` has the scoring in it.

    Raises:
        RecipeError: a tolerance or a lesion class names no class of the data.
        StageError: there is no ``model.pt``.
    """
    plan, splits = load_preprocessed(preprocessed_uri)
    dataset, cases = load_dataset(plan.dataset_uri)
    held_out = set(splits.test)
    test = _test_part([case for case in cases if case.case in held_out], plan, dataset, config)
    state = _load_model(store)
    # a thread that scores as the process is ended may still write there
    with tempfile.TemporaryDirectory(prefix="medseg-evaluate-", ignore_cleanup_errors=True) as scratch:
        with CaseScoring(test, Path(scratch)) as scoring:
            names = [case.case for case in test.cases]
            peak_bytes = predict_cases(store, state, plan, preprocessed_uri, names, config, scoring)
        store.put_folder(Path(scratch))
    outcome = scoring.outcome
    summary = Summary(
        model=model,
        seed=seed,
        fold=fold,
        dataset_uri=plan.dataset_uri,
        preprocessed_uri=preprocessed_uri,
        evaluate=config.model_dump(mode="json"),
        predict_peak_bytes=peak_bytes,
        **_figures(outcome, len(test.cases)),
        **_of_training(state),
    )
    store.put_bytes(METRICS_FILE, write_metrics(outcome.rows))
    store.put_bytes(SUMMARY_FILE, summary.to_bytes())
    return summary


def _test_part(cases: list[Case], plan: Plan, dataset: Dataset, config: EvaluateConfig) -> TestPart:
    scoring = _scoring(config, dataset.foreground)
    return TestPart(cases, cached_folder(plan.dataset_uri, ("labels",)), dataset.labels, scoring)


def _scoring(config: EvaluateConfig, classes: Collection[str]) -> Scoring:
    return Scoring(config.tolerances(classes), config.surface, config.lesion_iou(classes))


def _load_model(store: Store) -> dict[str, Any]:
    state = load(store, MODEL_FILE)
    if state is None:
        raise StageError(
            f"{store.uri}/{MODEL_FILE}: is missing although training has ended; delete status.json to train anew"
        )
    return state


def _figures(outcome: Outcome, cases: int) -> dict[str, Any]:
    """The part of the summary that the test cases came to."""
    means = aggregate([outcome.rows])
    median, p95 = np.percentile(outcome.seconds, (50, 95)).tolist() if outcome.seconds else (None, None)
    return {
        "cases": cases,
        "cases_missing": outcome.missing,
        "scores": means.scores,
        "per_class": means.per_class,
        "pooled": means.pooled,
        "confusion": outcome.confusion.tolist() if cases else None,
        "calibration": outcome.calibration.bins() if outcome.calibration else None,
        "seconds_per_case": median,
        "seconds_per_case_p95": p95,
    }


def _of_training(state: dict[str, Any]) -> dict[str, Any]:
    """The part of the summary that ``model.pt`` tells; an earlier medseg left some of it out."""
    measured = ("train_seconds", "parameters", "device")
    later = ("patch", "multiply_adds", "train_peak_bytes", "weights")
    return {**{name: state[name] for name in measured}, **{name: state.get(name) for name in later}}
