"""The heavy half of evaluate: every test case is predicted on its native grid and scored against its reference."""

from __future__ import annotations

import contextlib
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from tqdm import tqdm

from medseg import artifacts
from medseg.artifacts import METRICS_FILE, MODEL_FILE, SUMMARY_FILE, Plan, Summary
from medseg.config import EvaluateConfig, UnitConfig
from medseg.data.arrays import CaseArrays
from medseg.data.formats.nifti import read_nifti_reference, write_nifti
from medseg.data.transforms import flip_axes
from medseg.errors import OutOfMemoryError, StageError
from medseg.inference.predictor import Predictor
from medseg.metrics.aggregate import aggregate
from medseg.metrics.case import Scoring, score_case, worst_scores
from medseg.metrics.table import ScoreRow, write_metrics
from medseg.models import registry
from medseg.stages.nnunet import nnunet_predictions
from medseg.stages.preprocess import load_dataset, load_preprocessed
from medseg.storage import Store
from medseg.storage.cache import cached_folder
from medseg.training.checkpoint import load
from medseg.training.device import pick_device, use_threads
from medseg.training.memory import naming_memory_failures
from medseg.types import Case
from medseg.validation import validate

log = logging.getLogger(__name__)

Predict = Callable[[str], tuple[NDArray[Any], float]]  # class map on the native grid, and the seconds that it took


@dataclass(frozen=True)
class _TestPart:
    """What is predicted, and what it is held against."""

    cases: list[Case]
    references: Path
    foreground: dict[str, int]
    scoring: Scoring


@dataclass
class _Outcome:
    """What predicting the test cases came to."""

    rows: list[ScoreRow] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    missing: int = 0


def predict_and_score(
    store: Store, preprocessed_uri: str, config: EvaluateConfig, model: str, seed: int, fold: int
) -> Summary:
    """Predict and score the test part with the unit's ``model.pt`` and write predictions, scores and summary.

    Predictions are NIfTI files on the grid of the data set's images. ``seconds_per_case`` is the median time from the
    preprocessed array to the class map on that grid; reading, writing and scoring do not count.
    """
    plan, splits = load_preprocessed(preprocessed_uri)
    dataset, cases = load_dataset(plan.dataset_uri)
    state = _load_model(store)
    held_out = set(splits.test)
    test = _TestPart(
        cases=[case for case in cases if case.case in held_out],
        references=cached_folder(plan.dataset_uri, ("labels",)),
        foreground=dataset.foreground,
        scoring=_scoring(config, dataset.foreground),
    )
    with tempfile.TemporaryDirectory(prefix="medseg-evaluate-") as scratch:
        with _predictions(store, state, plan, preprocessed_uri, test, config) as predict:
            outcome = _predict_cases(predict, test, Path(scratch))
        store.put_folder(Path(scratch))
    means = aggregate([outcome.rows])
    summary = Summary(
        model=model,
        seed=seed,
        fold=fold,
        dataset_uri=plan.dataset_uri,
        preprocessed_uri=preprocessed_uri,
        cases=len(test.cases),
        cases_missing=outcome.missing,
        evaluate=config.model_dump(mode="json"),
        scores=means.scores,
        per_class=means.per_class,
        pooled=means.pooled,
        seconds_per_case=statistics.median(outcome.seconds) if outcome.seconds else None,
        train_seconds=state["train_seconds"],
        parameters=state["parameters"],
        device=state["device"],
        weights=state.get("weights"),
    )
    store.put_bytes(METRICS_FILE, write_metrics(outcome.rows))
    store.put_bytes(SUMMARY_FILE, summary.to_bytes())
    return summary


def _scoring(config: EvaluateConfig, classes: Collection[str]) -> Scoring:
    lesions = config.lesions_of(classes)
    return Scoring(
        tolerance_mm=config.tolerances(classes),
        surface=config.surface,
        lesion_classes=frozenset(lesions.classes if lesions else ()),
        **({"lesion_iou": lesions.iou} if lesions else {}),
    )


def _predict_cases(predict: Predict, test: _TestPart, scratch: Path) -> _Outcome:
    (scratch / "predictions").mkdir()
    outcome = _Outcome()
    for case in tqdm(test.cases, desc="evaluate", unit="case", disable=None):
        reference = read_nifti_reference(test.references / artifacts.reference_key(case.case))
        compared = (reference.array[0], case.spacing_mm, test.foreground, test.scoring)
        try:
            prediction, seconds = predict(case.case)
        except OutOfMemoryError as error:
            log.error("evaluate: %s is scored worst, it could not be predicted: %s", case.case, error)
            outcome.missing += 1
            scores = worst_scores(*compared)
        else:
            outcome.seconds.append(seconds)
            write_nifti(scratch / artifacts.prediction_key(case.case), prediction, reference.affine)
            scores = score_case(prediction, *compared)
        outcome.rows += [ScoreRow(case.case, case.patient, score) for score in scores]
    return outcome


@contextlib.contextmanager
def _predictions(
    store: Store, state: dict[str, Any], plan: Plan, preprocessed_uri: str, test: _TestPart, config: EvaluateConfig
) -> Iterator[Predict]:
    """What predicts the test cases: a network of ours, or nnU-Net."""
    unit = validate(UnitConfig, state["unit"], MODEL_FILE)
    if registry.find(unit.model).extra:
        names = [case.case for case in test.cases]
        with nnunet_predictions(store, unit, plan, names, config) as predictions:
            yield predictions.of
    else:
        yield _Network(_predictor(state, unit, plan, config), cached_folder(preprocessed_uri, ("arrays",))).predict


class _Network:
    """A network of ours that predicts preprocessed cases; the first one twice, because libraries warm up."""

    def __init__(self, predictor: Predictor, arrays: Path) -> None:
        self._predictor = predictor
        self._arrays = arrays
        self._is_warm = False

    def predict(self, case: str) -> tuple[NDArray[Any], float]:
        stored = CaseArrays(self._arrays, case)
        image, native = stored.image[:], stored.native
        with naming_memory_failures():
            if not self._is_warm:
                self._predictor.predict(image, native.box_shape)
            start = time.perf_counter()
            prediction = native.put_back(self._predictor.predict(image, native.box_shape))
            seconds = time.perf_counter() - start
        self._is_warm = True
        return prediction, seconds


def _load_model(store: Store) -> dict[str, Any]:
    state = load(store, MODEL_FILE)
    if state is None:
        raise StageError(
            f"{store.uri}/{MODEL_FILE}: is missing although training has ended; delete status.json to train anew"
        )
    return state


def _predictor(state: dict[str, Any], unit: UnitConfig, plan: Plan, config: EvaluateConfig) -> Predictor:
    use_threads(unit.train.threads)
    network = registry.build(unit, plan.channels, len(plan.labels))
    network.load_state_dict(state["network"])
    dimensions = registry.find(unit.model).dims
    flips = flip_axes(unit.train.augmentation, plan.slice_axis if dimensions == 2 else None)
    network = network.to(pick_device())
    return Predictor(network, plan, dimensions, config.overlap, flips if config.mirror else (), unit.train.amp)
