"""A trained model predicts the test cases: a network of ours, or nnU-Net."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from medseg.artifacts import MODEL_FILE, Plan
from medseg.config import EvaluateConfig, UnitConfig
from medseg.data.arrays import CaseArrays
from medseg.data.transforms import flip_axes
from medseg.errors import OutOfMemoryError
from medseg.inference.predictor import Predictor
from medseg.models import registry
from medseg.stages.nnunet import predict_nnunet
from medseg.stages.score_cases import CaseScoring
from medseg.storage import Store
from medseg.storage.cache import cached_folder
from medseg.training.device import pick_device, use_threads
from medseg.training.memory import naming_memory_failures
from medseg.training.peak_memory import PeakMemory
from medseg.types import Prediction
from medseg.validation import validate


def predict_cases(
    store: Store,
    state: dict[str, Any],
    plan: Plan,
    preprocessed_uri: str,
    cases: list[str],
    config: EvaluateConfig,
    scoring: CaseScoring,
) -> int:
    """Predict cases and hand each one over to ``scoring``; one that is too large is handed over as not predicted.

    Args:
        state: content of the unit's ``model.pt``.

    Returns:
        The most memory in use; see ``PeakMemory``.
    """
    unit = validate(UnitConfig, state["unit"], MODEL_FILE)
    if registry.find(unit.model).extra:
        return predict_nnunet(store, unit, plan, cases, config, scoring.predicted, scoring.not_predicted)
    memory = PeakMemory(pick_device())
    network = _Network(_predictor(state, unit, plan, config), cached_folder(preprocessed_uri, ("arrays",)))
    for case in tqdm(cases, desc="evaluate", unit="case", disable=None):
        try:
            prediction, seconds = network.predict(case)
        except OutOfMemoryError as error:
            scoring.not_predicted(case, str(error))
        else:
            scoring.predicted(case, prediction, seconds)
    return memory.bytes


class _Network:
    """A network of ours that predicts preprocessed cases; the first one twice, because libraries warm up."""

    def __init__(self, predictor: Predictor, arrays: Path) -> None:
        self._predictor = predictor
        self._arrays = arrays
        self._is_warm = False

    def predict(self, case: str) -> tuple[Prediction, float]:
        """What it says of a case on the native grid, and the seconds that this took."""
        stored = CaseArrays(self._arrays, case)
        image, native = stored.image[:], stored.native
        with naming_memory_failures():
            if not self._is_warm:
                self._predictor.predict(image, native.box_shape)
            start = time.perf_counter()
            box = self._predictor.predict(image, native.box_shape)
            prediction = Prediction(native.put_back(box.classes), native.put_back(box.foreground))
            seconds = time.perf_counter() - start
        self._is_warm = True
        return prediction, seconds


def _predictor(state: dict[str, Any], unit: UnitConfig, plan: Plan, config: EvaluateConfig) -> Predictor:
    use_threads(unit.train.threads)
    network = registry.build(unit, plan.channels, len(plan.labels))
    network.load_state_dict(state["network"])
    dimensions = registry.find(unit.model).dims
    flips = flip_axes(unit.train.augmentation, plan.slice_axis if dimensions == 2 else None)
    network = network.to(pick_device())
    return Predictor(network, plan, dimensions, config.overlap, flips if config.mirror else (), unit.train.amp)
