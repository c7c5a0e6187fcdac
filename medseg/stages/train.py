"""One model, seed and fold is fitted to the training cases; it ends as ``model.pt`` or as failed with its reason."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medseg import artifacts
from medseg.artifacts import CONFIG_FILE, MODEL_FILE, Fold, Plan, Status
from medseg.config import UnitConfig, digest
from medseg.data.arrays import CaseArrays
from medseg.data.dataset import PatchDataset
from medseg.errors import TrainingError
from medseg.inference.predictor import Predictor
from medseg.models import registry
from medseg.reporting.overlays import draw_overlay
from medseg.stages.preprocess import load_preprocessed
from medseg.stages.record import load_run, now, read_status, write_status
from medseg.storage import Store, open_store
from medseg.storage.cache import cached_folder
from medseg.training.checkpoint import Checkpoints, to_bytes
from medseg.training.history import TensorBoardLog
from medseg.training.trainer import Trainer, Validation, naming_memory_failures, use_threads

log = logging.getLogger(__name__)

BATCH_SIZE = {2: 8, 3: 2}  # small batches, many steps: what nnU-Net plans for large patches, and fits common GPUs


def train(run_uri: str, preprocessed_uri: str, model: str, seed: int = 0, fold: int = 0) -> str:
    """Train one unit of a run and return its URI; a finished one is left as it is, a killed one goes on.

    A result that is not a model (out of memory, diverged) is recorded as ``failed`` in ``status.json`` and does not
    raise: it is an outcome of the benchmark.

    Raises:
        StageError: the run or its preprocessing does not exist.
        RecipeError: the model cannot be trained on this data.
    """
    recipe = load_run(run_uri)
    unit = registry.unit_config(recipe, model)
    plan, splits = load_preprocessed(preprocessed_uri)
    store = open_store(artifacts.join(run_uri, artifacts.unit_key(model, seed, fold)))
    config_hash = digest(
        {"unit": unit.model_dump(mode="json", exclude={"evaluate", "resources"}), "data": preprocessed_uri}
    )
    status = read_status(store)
    if status and status.config_hash == config_hash and _trained(status):
        log.info("train: %s seed %d fold %d is done already (%s)", model, seed, fold, status.state)
        return store.uri
    if status and status.config_hash != config_hash:
        _forget(store, model)
    running = Status(
        state="running", stage="train", config_hash=config_hash, preprocessed_uri=preprocessed_uri, updated=now()
    )
    write_status(store, running)
    store.put_bytes(CONFIG_FILE, _as_yaml(unit))
    try:
        with naming_memory_failures():
            registry.check_dimensions([model], plan.dimensions, recipe.dataset.name)
            _fit(store, unit, plan, splits.folds[fold], seed, cached_folder(preprocessed_uri, ("arrays",)))
    except TrainingError as error:
        log.error("train: %s seed %d fold %d failed: %s", model, seed, fold, error)
        write_status(store, running.model_copy(update={"state": "failed", "reason": str(error), "updated": now()}))
        return store.uri
    write_status(store, running.model_copy(update={"stage": "evaluate", "updated": now()}))
    return store.uri


def _trained(status: Status) -> bool:
    return status.state != "running" or status.stage == "evaluate"


def _forget(store: Store, model: str) -> None:
    """Another configuration is another training: its checkpoints and scores must not be taken for this one's."""
    log.warning("train: the settings of %s have changed since this run started: training it anew", model)
    for item in store.list():
        store.delete(item.key)


def _fit(store: Store, unit: UnitConfig, plan: Plan, fold: Fold, seed: int, arrays: Path) -> None:
    use_threads(unit.train.threads)
    torch.manual_seed(seed)
    dimensions = registry.find(unit.model).dimensions
    network = registry.build(unit, plan.channels, len(plan.labels))
    batch_size = unit.train.batch_size or BATCH_SIZE[dimensions]
    patches = PatchDataset(arrays, fold.train, plan, dimensions, unit.train, seed)
    with Checkpoints(store) as checkpoints, TensorBoardLog() as tensorboard:
        trainer = Trainer(
            network,
            unit.train,
            batch_size=batch_size,
            steps_per_epoch=unit.train.steps_per_epoch or max(1, round(len(fold.train) / batch_size)),
            checkpoints=checkpoints,
            validate=_validation(unit, plan, dimensions, [CaseArrays(arrays, case) for case in fold.validation]),
            tensorboard=tensorboard,
            name=f"{unit.model} seed {seed}",
        )
        best = trainer.fit(patches)
        state = {
            "network": best["network"],
            "unit": unit.model_dump(mode="json"),
            "plan": plan.model_dump(mode="json"),
            "epoch": best["epoch"],
            "validation_dice": best["validation_dice"],
            "parameters": sum(p.numel() for p in network.parameters()),
            "train_seconds": trainer.elapsed_s,
            "device": device_name(trainer.device),
        }
        checkpoints.upload(MODEL_FILE, to_bytes(state))


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _validation(unit: UnitConfig, plan: Plan, dimensions: int, cases: list[CaseArrays]) -> Any:
    config = unit.evaluate.model_copy(update={"mirror": False})  # flips cost time and change no choice of epoch

    def validate(network: nn.Module) -> Validation:
        predictor = Predictor(network, plan, dimensions, config)
        dice, picture = [], None
        for case in cases:
            image, reference = case.image[:], case.reference[:]
            prediction = predictor.scores(image).argmax(0).to(torch.uint8).numpy()
            dice.append(mean_dice(prediction, reference, len(plan.labels)))
            if picture is None:
                picture = draw_overlay(image[0], reference, prediction, plan.spacing_mm or (1.0, 1.0, 1.0))
        return Validation(dice=float(np.nanmean(dice)) if not np.isnan(dice).all() else 0.0, picture=picture)

    return validate


def mean_dice(prediction: NDArray[np.uint8], reference: NDArray[np.uint8], classes: int) -> float:
    """Mean over the foreground classes that either array holds; NaN where neither holds any."""
    scores = []
    for value in range(1, classes):
        p, r = prediction == value, reference == value
        total = int(p.sum()) + int(r.sum())
        if total:
            scores.append(2 * int((p & r).sum()) / total)
    return float(np.mean(scores)) if scores else float("nan")


def _as_yaml(unit: UnitConfig) -> bytes:
    import yaml

    return yaml.safe_dump(unit.model_dump(mode="json"), sort_keys=False).encode()
