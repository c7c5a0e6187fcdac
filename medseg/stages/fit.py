"""The heavy half of train: network, patches and validation are put together and fitted."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medseg.artifacts import CHECKPOINT_LAST_FILE, MODEL_FILE, Fold, Plan
from medseg.config import EncoderConfig, UnitConfig
from medseg.data.arrays import CaseArrays
from medseg.data.dataset import PatchDataset
from medseg.inference.predictor import Predictor
from medseg.metrics.aggregate import mean_of_defined
from medseg.metrics.overlap import overlap_counts
from medseg.models import registry
from medseg.models.adapter import Segmenter
from medseg.models.operations import patch_multiply_adds
from medseg.models.pretrained import Shape, load_pretrained
from medseg.models.weights import renames, timm_name
from medseg.models.weights_file import in_names_of_timm, read_weights
from medseg.reporting.overlays import draw_overlay
from medseg.stages.starting_weights import StartingWeights
from medseg.storage import Store
from medseg.storage.cache import cached_folder
from medseg.training.checkpoint import Checkpoints, to_bytes
from medseg.training.device import device_name, use_threads
from medseg.training.history import TensorBoardLog
from medseg.training.memory import naming_memory_failures
from medseg.training.trainer import Trainer, Validation

log = logging.getLogger(__name__)


def fit(
    store: Store,
    unit: UnitConfig,
    plan: Plan,
    fold: Fold,
    seed: int,
    preprocessed_uri: str,
    weights: StartingWeights | None = None,
) -> None:
    """Train on a fold's training cases and leave ``model.pt`` with the weights of the best validation.

    Raises:
        RecipeError: the weights to start from are of another network.
        DataError: the file of the weights is damaged.
        TrainingError: the loss is not finite, or memory is not enough.
    """
    use_threads(unit.train.threads)
    torch.manual_seed(seed)
    dimensions = registry.find(unit.model).dims
    arrays = cached_folder(preprocessed_uri, ("arrays",))
    patches = PatchDataset(arrays, fold.train, plan, dimensions, unit.train, seed)
    batch_size = registry.batch_size(unit)
    with naming_memory_failures(), Checkpoints(store) as checkpoints, TensorBoardLog() as tensorboard:
        network = registry.build(unit, plan.channels, len(plan.labels))
        if weights and not store.exists(CHECKPOINT_LAST_FILE):  # which holds what became of them
            _start_from(weights, network, unit, plan)
        if unit.train.encoder != EncoderConfig() and not network.encoder_parameters():
            log.info("%s: has no encoder to treat apart, train.encoder is ignored", unit.model)
        patch = plan.patch_2d if dimensions == 2 else plan.patch_3d
        assert patch is not None, "train has checked that the data has the model's dimensions"
        operations = patch_multiply_adds(network, plan.channels, patch)
        trainer = Trainer(
            network,
            unit.train,
            batch_size=batch_size,
            steps_per_epoch=unit.train.steps_per_epoch or max(1, round(patches.samples / batch_size)),
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
            "patch": patch,
            "multiply_adds": operations,
            "train_peak_bytes": trainer.peak_bytes,
            "train_seconds": trainer.elapsed_s,
            "device": device_name(trainer.device),
            "weights": weights.note.model_dump() if weights else None,
        }
        checkpoints.upload(MODEL_FILE, to_bytes(state))


def _start_from(weights: StartingWeights, network: Segmenter, unit: UnitConfig, plan: Plan) -> None:
    """Load weights into a network, and tell of it."""
    place = weights.note.place
    state = read_weights(weights.fetch())
    if name := timm_name(place):
        state = in_names_of_timm(state, name, place)
    shape = Shape(registry.find(unit.model).dims, plan.channels, len(plan.labels))
    loaded = load_pretrained(network, state, shape, place, renames(unit.model))
    terms = f" ({weights.note.license})" if weights.note.license else ""
    log.info("%s: starts from %s%s: %s", unit.model, place, terms, loaded)


def _validation(
    unit: UnitConfig, plan: Plan, dimensions: int, cases: list[CaseArrays]
) -> Callable[[nn.Module], Validation]:
    """Dice over the validation cases on the plan's grid, and a picture of the first one."""
    spacing_mm = plan.spacing_mm or (1.0, 1.0, 1.0)
    classes = [name for name, value in plan.labels.items() if value]

    def validate(network: nn.Module) -> Validation:
        predictor = Predictor(network, plan, dimensions, unit.evaluate.overlap, amp=unit.train.amp)
        dice, picture = [], None
        for case in cases:
            image, reference = case.image[:], case.reference[:]
            prediction = predictor.scores(image).argmax(0).to(torch.uint8).numpy()
            dice.append(class_dice(prediction, reference, len(classes)))
            if picture is None:
                picture = draw_overlay(image[0], reference, prediction, spacing_mm)
        scores = np.reshape(dice, (len(cases), len(classes)))
        mean = mean_of_defined(mean_of_defined(scores, axis=1), axis=0)
        per_class = dict(zip(classes, mean_of_defined(scores, axis=0).tolist(), strict=True))
        return Validation(float(np.nan_to_num(mean)), per_class, picture)

    return validate


def class_dice(prediction: NDArray[np.uint8], reference: NDArray[np.uint8], classes: int) -> NDArray[np.float64]:
    """(classes,) Dice of the foreground classes 1, 2, …; NaN for those that neither array holds."""
    return np.array([overlap_counts(prediction == value, reference == value).dice for value in range(1, classes + 1)])
