"""Every test case is predicted on its native grid and scored against its reference."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from tqdm import tqdm

from medseg import artifacts
from medseg.artifacts import METRICS_FILE, MODEL_FILE, SUMMARY_FILE, Plan, Status, Summary
from medseg.config import EvaluateConfig, UnitConfig, validate
from medseg.data.arrays import CaseArrays
from medseg.errors import StageError, TrainingError
from medseg.inference.predictor import Predictor
from medseg.metrics.aggregate import aggregate
from medseg.metrics.case import score_case
from medseg.metrics.table import ScoreRow, write_metrics
from medseg.models import registry
from medseg.stages.preprocess import load_dataset, load_preprocessed
from medseg.stages.record import load_run, now, read_status, write_status
from medseg.storage import Store, open_store
from medseg.storage.cache import cached_folder
from medseg.training.checkpoint import load
from medseg.training.trainer import naming_memory_failures, pick_device, use_threads
from medseg.types import Case

log = logging.getLogger(__name__)


def evaluate(run_uri: str, model: str, seed: int = 0, fold: int = 0) -> Summary | None:
    """Predict and score the test cases with one trained unit; what is done already is returned as it is.

    Predictions are NIfTI files on the grid of the data set's images. ``seconds_per_case`` is the time from the
    preprocessed array to the class map on that grid; writing and scoring do not count.

    Returns:
        None where the unit has failed: its reason stands in ``status.json``.

    Raises:
        StageError: the unit was not trained.
        RecipeError: an NSD tolerance names no class of the data.
    """
    config = registry.unit_config(load_run(run_uri), model).evaluate
    store = open_store(artifacts.join(run_uri, artifacts.unit_key(model, seed, fold)))
    status = read_status(store)
    if status is None or (status.state == "running" and status.stage == "train"):
        raise StageError(f"{store.uri}: {model} seed {seed} fold {fold} is not trained; run `medseg train` first")
    if status.state == "failed":
        log.error("evaluate: %s seed %d fold %d has failed: %s", model, seed, fold, status.reason)
        return None
    done = _finished(store, config)
    if done:
        log.info("evaluate: %s seed %d fold %d is done already", model, seed, fold)
        return done
    try:
        with naming_memory_failures():
            summary = _score_unit(store, status, config, model, seed, fold)
    except TrainingError as error:
        write_status(store, status.model_copy(update={"state": "failed", "stage": "evaluate", "reason": str(error)}))
        return None
    write_status(store, status.model_copy(update={"state": "succeeded", "updated": now()}))
    return summary


def _finished(store: Store, config: EvaluateConfig) -> Summary | None:
    """The summary is written last, and counts only for the settings that it was made with."""
    if not store.exists(SUMMARY_FILE):
        return None
    summary = Summary.from_bytes(store.get_bytes(SUMMARY_FILE), f"{store.uri}/{SUMMARY_FILE}")
    return summary if summary.evaluate == config.model_dump(mode="json") else None


def _score_unit(store: Store, status: Status, config: EvaluateConfig, model: str, seed: int, fold: int) -> Summary:
    plan, splits = load_preprocessed(status.preprocessed_uri)
    dataset, cases = load_dataset(plan.dataset_uri)
    state = _load_model(store)
    predictor = _predictor(state, plan, config)
    tolerances = config.tolerances(dataset.foreground)
    test = [case for case in cases if case.case in set(splits.test)]
    rows: list[ScoreRow] = []
    seconds: list[float] = []
    images = cached_folder(plan.dataset_uri, ("images", "labels"))
    with tempfile.TemporaryDirectory(prefix="medseg-evaluate-") as scratch:
        for case, prediction, took in _predictions(
            predictor, test, cached_folder(status.preprocessed_uri, ("arrays",))
        ):
            reference = nib.load(images / artifacts.reference_key(case.case))  # type: ignore[attr-defined]
            scores = score_case(
                prediction, np.asanyarray(reference.dataobj), case.spacing_mm, dataset.foreground, tolerances
            )
            rows += [ScoreRow(case.case, case.patient, score) for score in scores]
            seconds.append(took)
            path = Path(scratch) / artifacts.prediction_key(case.case)
            path.parent.mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(prediction, reference.affine), path)  # type: ignore[attr-defined]
        store.put_folder(Path(scratch))
    means = aggregate([rows])
    summary = Summary(
        model=model,
        seed=seed,
        fold=fold,
        dataset_uri=plan.dataset_uri,
        preprocessed_uri=status.preprocessed_uri,
        cases=len(test),
        cases_missing=0,
        evaluate=config.model_dump(mode="json"),
        scores=means.scores,
        per_class=means.per_class,
        pooled=means.pooled,
        seconds_per_case=statistics.median(seconds),
        train_seconds=state["train_seconds"],
        parameters=state["parameters"],
        device=state["device"],
    )
    store.put_bytes(METRICS_FILE, write_metrics(rows))
    store.put_bytes(SUMMARY_FILE, summary.to_bytes())
    return summary


def _load_model(store: Store) -> dict[str, Any]:
    state = load(store, MODEL_FILE)
    if state is None:
        raise StageError(
            f"{store.uri}/{MODEL_FILE}: is missing although training has ended; delete status.json to train anew"
        )
    return state


def _predictor(state: dict[str, Any], plan: Plan, config: EvaluateConfig) -> Predictor:
    unit = validate(UnitConfig, state["unit"], "model.pt")
    use_threads(unit.train.threads)
    network = registry.build(unit, plan.channels, len(plan.labels))
    network.load_state_dict(state["network"])
    return Predictor(network.to(pick_device()), plan, registry.find(unit.model).dimensions, config)


def _predictions(predictor: Predictor, cases: list[Case], arrays: Path) -> Iterator[tuple[Case, Any, float]]:
    """Each test case with its class map and the seconds it took; the first case runs twice to leave warm-up out."""
    for index, case in enumerate(tqdm(cases, desc="evaluate", unit="case", disable=None)):
        for _ in range(2 if index == 0 else 1):
            start = time.perf_counter()
            prediction = predictor.predict(CaseArrays(arrays, case.case).image[:], case.shape)
            took = time.perf_counter() - start
        yield case, prediction, took
