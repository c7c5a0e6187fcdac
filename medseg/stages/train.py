"""One model, seed and fold is trained; it ends as ``model.pt`` or as failed with its reason."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Any

import yaml

from medseg import artifacts
from medseg.artifacts import CONFIG_FILE, Plan, Splits, Status
from medseg.config import UnitConfig, digest
from medseg.errors import DataError, RecipeError, TrainingError
from medseg.models import registry
from medseg.stages.preprocess import load_preprocessed
from medseg.stages.record import load_run, now, read_status, write_status
from medseg.stages.starting_weights import StartingWeights, find_weights
from medseg.storage import Store, open_store

log = logging.getLogger(__name__)


def train(run_uri: str, preprocessed_uri: str, model: str, seed: int = 0, fold: int = 0) -> str:
    """Train one unit of a run and return its URI; a finished one is left as it is, a killed one goes on.

    A result that is not a model (out of memory, diverged, a network that its settings do not make, weights that do not
    fit) is recorded as ``failed`` in ``status.json`` and does not raise: it is an outcome of the benchmark.

    Raises:
        StageError: the run, its preprocessing or the weights to start from do not exist.
        RecipeError: the model cannot be trained on this data.
    """
    recipe = load_run(run_uri)
    unit = registry.unit_config(recipe, model)
    plan, splits = load_preprocessed(preprocessed_uri)
    registry.check_dimensions([model], plan.dimensions, recipe.dataset.name)
    registry.check_patches(unit, plan)
    registry.check_external(unit, run_uri)
    weights = find_weights(unit, artifacts.store_uri_of_run(run_uri))
    store = open_store(artifacts.join(run_uri, artifacts.unit_key(model, seed, fold)))
    running = Status(
        state="running",
        stage="train",
        config_hash=_config_hash(unit, preprocessed_uri, weights),
        preprocessed_uri=preprocessed_uri,
        updated=now(),
    )
    if _is_done(store, running, f"{model} seed {seed} fold {fold}"):
        return store.uri
    write_status(store, running)
    store.put_bytes(CONFIG_FILE, yaml.safe_dump(unit.model_dump(mode="json"), sort_keys=False).encode())
    try:
        _fit(store, unit, plan, splits, fold, seed, preprocessed_uri, weights)
    except (TrainingError, RecipeError, DataError) as error:
        log.error("train: %s seed %d fold %d failed: %s", model, seed, fold, error)
        write_status(store, running.model_copy(update={"state": "failed", "reason": str(error), "updated": now()}))
        return store.uri
    except Exception as error:  # a fault, not an outcome; but whoever reads the report must see it
        reason = f"{type(error).__name__}: {error}"
        write_status(store, running.model_copy(update={"state": "failed", "reason": reason, "updated": now()}))
        raise
    write_status(store, running.model_copy(update={"stage": "evaluate", "updated": now()}))
    return store.uri


def _fit(
    store: Store,
    unit: UnitConfig,
    plan: Plan,
    splits: Splits,
    fold: int,
    seed: int,
    preprocessed_uri: str,
    weights: StartingWeights | None,
) -> None:
    # torch and MONAI take seconds to import, which a finished unit does not need
    from medseg.training.device import require_gpu

    require_gpu(unit.resources.gpus)
    if registry.find(unit.model).extra:
        from medseg.stages.nnunet import fit_nnunet

        fit_nnunet(store, unit, plan, splits, fold, seed, preprocessed_uri)
    else:
        from medseg.stages.fit import fit

        fit(store, unit, plan, splits.folds[fold], seed, preprocessed_uri, weights)


def _config_hash(unit: UnitConfig, preprocessed_uri: str, weights: StartingWeights | None) -> str:
    """Everything that shapes the trained weights; how they are scored, how fast and beside which seeds does not."""
    schedule = {"seeds", "checkpoint_minutes", "workers", "threads"}
    left_out: dict[str, Any] = {"evaluate": True, "resources": True, "weights": True, "train": schedule}
    settings = unit.model_dump(mode="json", exclude=left_out)
    spec = registry.find(unit.model)
    return digest(
        {
            "unit": settings,
            "data": preprocessed_uri,
            "weights": weights and weights.note.sha256,
            "package": version(spec.library) if spec.extra else None,  # whose plan and checkpoints another may not read
        }
    )


def _is_done(store: Store, wanted: Status, name: str) -> bool:
    """Whether the unit has ended with these settings; what other settings left behind is removed."""
    status = read_status(store)
    if status is None:
        return False
    if status.config_hash != wanted.config_hash:
        # another configuration is another training: its checkpoints and scores must not be taken for this one's
        log.warning("train: the settings or the data of %s have changed since this run started: training it anew", name)
        for item in store.list():
            store.delete(item.key)
        return False
    if status.stage == "evaluate":
        log.info("train: %s is done already", name)
        return True
    if status.state == "failed":
        log.info("train: %s failed before (%s): trying again from its last checkpoint", name, status.reason)
    return False
