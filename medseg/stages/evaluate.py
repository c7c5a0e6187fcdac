"""A trained model is scored on the test cases: ``metrics.csv`` and ``summary.json``."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from medseg import artifacts
from medseg.artifacts import METRICS_FILE, SUMMARY_FILE, Status, Summary
from medseg.config import EvaluateConfig
from medseg.errors import DataError, NotFoundError, StageError, TrainingError
from medseg.metrics.table import ScoreRow, read_metrics
from medseg.models import registry
from medseg.reporting.completeness import rows_fault
from medseg.stages.record import load_run, now, read_status, write_status
from medseg.storage import Store, open_store

log = logging.getLogger(__name__)


def evaluate(run_uri: str, model: str, seed: int = 0, fold: int = 0) -> Summary | None:
    """Predict and score the test cases with one trained unit; what is done already is returned as it is.

    Returns:
        None where the unit has failed: its reason stands in ``status.json``.

    Raises:
        StageError: the unit was not trained.
        RecipeError: a tolerance or a lesion class names no class of the data.
    """
    config = registry.unit_config(load_run(run_uri), model).evaluate
    store = open_store(artifacts.join(run_uri, artifacts.unit_key(model, seed, fold)))
    status = read_status(store)
    name = f"{model} seed {seed} fold {fold}"
    if status is None or (status.state == "running" and status.stage == "train"):
        raise StageError(f"{store.uri}: {name} is not trained; run `medseg train` first")
    if status.state == "failed" and status.stage == "train":
        log.error("evaluate: %s has no model: %s", name, status.reason)
        return None
    if done := _finished(store, status, config):
        log.info("evaluate: %s is done already", name)
        return done
    from medseg.stages.predict import predict_and_score  # torch and MONAI take seconds to import

    try:
        summary = predict_and_score(store, status.preprocessed_uri, config, model, seed, fold)
    except TrainingError as error:
        log.error("evaluate: %s failed: %s", name, error)
        failed = {"state": "failed", "stage": "evaluate", "reason": str(error), "updated": now()}
        write_status(store, status.model_copy(update=failed))
        return None
    done_now = {"state": "succeeded", "stage": "evaluate", "reason": "", "updated": now()}
    write_status(store, status.model_copy(update=done_now))
    return summary


def _finished(store: Store, status: Status, config: EvaluateConfig) -> Summary | None:
    """Earlier scores count only for the settings that they were made with, and while both of their files are whole."""
    if status.state != "succeeded":
        return None
    metrics_uri = f"{store.uri}/{METRICS_FILE}"
    try:
        summary = Summary.from_bytes(store.get_bytes(SUMMARY_FILE), f"{store.uri}/{SUMMARY_FILE}")
        _require_whole(read_metrics(store.get_bytes(METRICS_FILE), metrics_uri), summary, metrics_uri)
    except (NotFoundError, DataError) as error:
        log.warning("evaluate: earlier scores are left aside: %s", error)
        return None
    return summary if summary.evaluate == config.model_dump(mode="json") else None


def _require_whole(rows: Sequence[ScoreRow], summary: Summary, uri: str) -> None:
    """One row for each case and class of the summary."""
    cases = {row.case for row in rows}
    fault = rows_fault(rows, cases, summary.per_class.keys())
    if fault or len(cases) != summary.cases:
        raise DataError(f"{uri}: {fault or f'holds {len(cases)} of {summary.cases} test cases'}")
