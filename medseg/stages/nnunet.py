"""nnU-Net in the stages: its training leaves a ``model.pt``, its predictions are scored like those of every model."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from medseg.artifacts import MODEL_FILE, Plan, Splits
from medseg.config import EvaluateConfig, UnitConfig
from medseg.models import registry
from medseg.stages.preprocess import load_dataset
from medseg.storage import Store
from medseg.storage.cache import cached_folder
from medseg.training.checkpoint import to_bytes
from medseg.training.device import pick_device
from medseg.training.nnunet.fit import fit
from medseg.training.nnunet.machine import Machine
from medseg.training.nnunet.prediction import NotPredicted, Predicted, predict
from medseg.training.nnunet.workspace import Scans


def fit_nnunet(
    store: Store, unit: UnitConfig, plan: Plan, splits: Splits, fold: int, seed: int, preprocessed_uri: str
) -> None:
    """Train on a fold's training cases and leave ``model.pt`` with nnU-Net's final weights.

    Raises:
        TrainingError: nnU-Net failed.
    """
    scans = _scans(plan, ("images", "labels"))
    state = fit(store, unit, scans, splits, fold, seed, preprocessed_uri, pick_device().type)
    described = {"unit": unit.model_dump(mode="json"), "plan": plan.model_dump(mode="json"), "validation_dice": None}
    store.put_bytes(MODEL_FILE, to_bytes(state | described))


def predict_nnunet(
    store: Store,
    unit: UnitConfig,
    plan: Plan,
    cases: Sequence[str],
    config: EvaluateConfig,
    predicted: Predicted,
    not_predicted: NotPredicted,
) -> int:
    """Predict with the unit's ``model.pt`` and hand over each case as it is done; returns the most memory in use.

    Raises:
        RecipeError: the package is not installed.
        TrainingError: nnU-Net failed.
    """
    registry.check_external(unit, store.uri)
    machine = Machine.of(unit.train, pick_device().type)
    with tempfile.TemporaryDirectory(prefix="medseg-nnunet-") as folder:
        model = Path(folder) / MODEL_FILE
        store.get_file(MODEL_FILE, model)
        scans = _scans(plan, ("images",))
        return predict(model, scans, cases, config, machine, Path(folder), predicted, not_predicted)


def _scans(plan: Plan, prefixes: tuple[str, ...]) -> Scans:
    dataset, cases = load_dataset(plan.dataset_uri)
    return Scans(dataset, cases, cached_folder(plan.dataset_uri, prefixes), plan.slice_axis)
