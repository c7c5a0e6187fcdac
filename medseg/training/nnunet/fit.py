"""nnU-Net is trained on a fold of ours; a killed training goes on from the store."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from medseg.artifacts import HISTORY_FILE, Splits
from medseg.config import UnitConfig
from medseg.errors import NotFoundError
from medseg.models.nnunet import NnunetSettings
from medseg.storage import Store, open_store
from medseg.training.checkpoint import Checkpoints, load
from medseg.training.history import EpochRecord, TensorBoardLog, from_csv
from medseg.training.nnunet import command
from medseg.training.nnunet.budget import Budget
from medseg.training.nnunet.machine import Machine
from medseg.training.nnunet.messages import MODEL_FILE
from medseg.training.nnunet.mirror import Mirror
from medseg.training.nnunet.workspace import DATASET_NUMBER, Scans, planned, prepare
from medseg.training.progress import Progress

log = logging.getLogger(__name__)

TRAINER = "BudgetTrainer"


def fit(
    store: Store,
    unit: UnitConfig,
    scans: Scans,
    splits: Splits,
    fold: int,
    seed: int,
    preprocessed_uri: str,
    device: str,
) -> dict[str, Any]:
    """Train nnU-Net's final weights within the unit's budget.

    The seed gives equal weights at the start; with worker processes nnU-Net draws its patches without a seed.

    Args:
        device: ``cuda`` or ``cpu``.

    Returns:
        ``network``, ``nnunet`` (what predictions need besides), ``epoch``, ``parameters``, ``patch`` along nnU-Net's
        axes, ``multiply_adds`` of it, ``train_seconds``, ``train_peak_bytes`` and ``device``.

    Raises:
        TrainingError: nnU-Net failed; with its last lines.
    """
    settings, machine = NnunetSettings(**unit.network), Machine.of(unit.train, device)
    configuration = scans.configuration(settings)
    samples = scans.samples(splits.folds[fold].train, configuration)
    budget = Budget.of(unit.train, samples, seed, machine.threads)
    prepared = prepare(scans, splits, settings, machine, preprocessed_uri)
    name, plan = f"{unit.model} seed {seed}", planned(prepared, configuration)
    patch, batch_size = " x ".join(map(str, plan["patch_size"])), plan["batch_size"]
    log.info("%s: %s, patches of %s, %d per step", name, configuration, patch, batch_size)
    with tempfile.TemporaryDirectory(prefix="medseg-nnunet-") as scratch:
        results = Path(scratch) / "results"
        results.mkdir()
        with Mirror(store, results) as mirror, Checkpoints(store) as checkpoints, TensorBoardLog() as tensorboard:
            if goes_on := mirror.fetch():
                log.info("%s: goes on from its last checkpoint", name)
            told = Progress(name, budget.epochs, checkpoints, tensorboard, score="Dice of random patches")
            command.run(
                "train",
                *(DATASET_NUMBER, configuration, str(fold), "-tr", TRAINER, "-device", device),
                *(["--c"] if goes_on else []),
                environment={**machine.environment(prepared, results), **budget.environment()},
                folder=Path(scratch),
                heard=_Course(told, mirror, _history(store), list(scans.dataset.foreground)).hear,
            )
            mirror.finish()
        state = load(open_store(str(results)), MODEL_FILE)
    assert state is not None, "nnU-Net's process writes it before it ends well"
    return state


class _Course:
    """What the process of a training says, passed on as it comes."""

    def __init__(self, told: Progress, mirror: Mirror, history: list[EpochRecord], classes: list[str]) -> None:
        self._told = told
        self._mirror = mirror
        self._history = history
        self._classes = classes

    def hear(self, message: dict[str, Any]) -> None:
        if message["event"] == "checkpoint":
            self._mirror.push()
        if message["event"] == "epoch":
            record = EpochRecord(**message["record"])
            # what came after the last checkpoint is done again
            self._history = [*(earlier for earlier in self._history if earlier.epoch < record.epoch), record]
            # an epoch that ran out of time was not validated
            class_dice = dict(zip(self._classes, message["class_dice"], strict=False))
            self._told.tell(self._history, message["used"], class_dice)


def _history(store: Store) -> list[EpochRecord]:
    try:
        return from_csv(store.get_bytes(HISTORY_FILE))
    except NotFoundError:
        return []
