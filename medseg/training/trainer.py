"""The training loop: steps, epochs, validation, checkpoints, and an end that is a model or a named failure."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from medseg.config import TrainConfig
from medseg.errors import NonFiniteLossError
from medseg.models.adapter import Segmenter
from medseg.models.precision import autocast, half_precision
from medseg.training import budget
from medseg.training.checkpoint import Checkpoints
from medseg.training.device import pick_device
from medseg.training.early_stopping import EarlyStopping
from medseg.training.freezing import Freezing
from medseg.training.history import EpochRecord, TensorBoardLog
from medseg.training.losses import dice_cross_entropy
from medseg.training.memory import naming_memory_failures
from medseg.training.optimization import learning_rate, make_optimizer, parameter_groups, set_learning_rate
from medseg.training.peak_memory import PeakMemory
from medseg.training.progress import Progress

log = logging.getLogger(__name__)

EPOCH_CHECKPOINT_S = 10.0  # epochs of a second do not write a checkpoint each


@dataclass(frozen=True)
class Validation:
    """Mean Dice over the validation cases, by class name too, and a picture of one of them (rows, columns, 3)."""

    dice: float
    per_class: Mapping[str, float] = field(default_factory=dict)
    picture: NDArray[np.uint8] | None = None


class Trainer:
    """Fits one network to a stream of patches.

    The whole training is one stream of numbered patches, so a restart goes on with the very next patch, also within
    an epoch. Everything needed for that is in ``checkpoint_last.pt``.

    Args:
        validate: scores the network as it is; called in eval mode without gradients.
        name: stands in front of every progress line.
    """

    def __init__(
        self,
        network: Segmenter,
        config: TrainConfig,
        batch_size: int,
        steps_per_epoch: int,
        checkpoints: Checkpoints,
        validate: Callable[[nn.Module], Validation],
        tensorboard: TensorBoardLog,
        name: str,
    ) -> None:
        self.device = pick_device()
        self._memory = PeakMemory(self.device)
        self.network = network.to(self.device)
        self._config = config
        self._batch_size = batch_size
        self._steps_per_epoch = steps_per_epoch
        self._total_steps = config.epochs * steps_per_epoch
        self._checkpoints = checkpoints
        self._validate = validate
        self._told = Progress(name, config.epochs, checkpoints, tensorboard)
        self._name = name
        self._loss = dice_cross_entropy()
        self._freezing = Freezing(self.network, config.encoder.frozen_epochs)
        self._optimizer = make_optimizer(parameter_groups(self.network, config), config)
        self._amp = config.amp
        # bfloat16 has the range of float32 and needs no scaling
        scaled = config.amp and half_precision(self.device) is torch.float16
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)
        self._stopping = EarlyStopping(config.early_stopping_patience)
        self._history: list[EpochRecord] = []
        self._step = 0
        self._loss_sum = 0.0
        self._loss_count = 0
        self._earlier_s = 0.0
        self._earlier_peak_bytes = 0
        self._max_s = config.max_minutes * 60 if config.max_minutes else None
        self._checkpoint_s = config.checkpoint_minutes * 60
        self._best: dict[str, Any] | None = None
        self._best_is_saved = True
        self._started = self._epoch_started = self._saved = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Training time of all sessions together."""
        return self._earlier_s + time.monotonic() - self._started

    @property
    def peak_bytes(self) -> int:
        """The most memory in use in any session; see ``PeakMemory``."""
        return max(self._earlier_peak_bytes, self._memory.bytes)

    def fit(self, patches: Dataset[dict[str, torch.Tensor]]) -> dict[str, Any]:
        """Train to the end of the budget and return the best state: ``network``, ``epoch``, ``validation_dice``.

        Raises:
            NonFiniteLossError: the loss is NaN or infinite.
            OutOfMemoryError: the batch does not fit.
        """
        self._resume()
        self._started = self._epoch_started = self._saved = time.monotonic()
        bar = tqdm(total=self._total_steps, initial=self._step, desc=self._name, unit="step", disable=None)
        with naming_memory_failures(), bar:
            for batch in self._loader(patches) if not self._finished else ():
                self._learn(batch)
                bar.update()
                if self._step % self._steps_per_epoch == 0 or self._out_of_time:
                    self._end_epoch()
                elif self._since_checkpoint_s > self._checkpoint_s:
                    self._save()
                if self._finished:
                    break
        assert self._best is not None, "every finished training has validated at least once"
        return self._best

    def _loader(self, patches: Dataset[dict[str, torch.Tensor]]) -> DataLoader[dict[str, torch.Tensor]]:
        numbers = range(self._step * self._batch_size, self._total_steps * self._batch_size)
        return DataLoader(
            patches,
            batch_size=self._batch_size,
            sampler=numbers,
            num_workers=self._config.workers,
            pin_memory=self.device.type == "cuda",
        )

    def _learn(self, batch: dict[str, torch.Tensor]) -> None:
        rate = learning_rate(self._config, self._progress)
        set_learning_rate(self._optimizer, rate)
        self.network.train()
        self._freezing.apply(self._step // self._steps_per_epoch)
        image = batch["image"].to(self.device, non_blocking=True)
        reference = batch["reference"].to(self.device, non_blocking=True)
        with autocast(self.device, self._amp):
            loss = self.network.loss(image, reference, self._loss)
        value = loss.item()
        if not math.isfinite(value):
            raise NonFiniteLossError(
                f"the loss became {value} at step {self._step + 1} (learning rate {rate:.2g});"
                " lower train.learning_rate or train.gradient_clip of this model"
            )
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), self._config.gradient_clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._step += 1
        self._loss_sum += value
        self._loss_count += 1

    def _end_epoch(self) -> None:
        epoch = -(-self._step // self._steps_per_epoch)
        due = epoch % self._config.validate_every == 0 or self._finished
        validation = self._score() if due else None
        record = EpochRecord(
            epoch=epoch,
            step=self._step,
            learning_rate=learning_rate(self._config, self._progress),
            train_loss=self._loss_sum / self._loss_count,
            validation_dice=validation.dice if validation else None,
            seconds=time.monotonic() - self._epoch_started,
            elapsed_s=self.elapsed_s,
        )
        self._history.append(record)
        self._loss_sum, self._loss_count, self._epoch_started = 0.0, 0, time.monotonic()
        if validation and self._stopping.update(validation.dice):
            self._best, self._best_is_saved = self._best_state(record), False
        if self._finished or self._since_checkpoint_s > min(EPOCH_CHECKPOINT_S, self._checkpoint_s):
            self._save()
        per_class, picture = (validation.per_class, validation.picture) if validation else ({}, None)
        self._told.tell(self._history, self._progress, per_class, picture)

    @torch.no_grad()
    def _score(self) -> Validation:
        self.network.eval()
        return self._validate(self.network)

    @property
    def _progress(self) -> float:
        """Used part of the budget, whichever of steps and minutes is further."""
        return budget.used(self._step, self._total_steps, self.elapsed_s, self._max_s)

    @property
    def _out_of_time(self) -> bool:
        return budget.is_out_of_time(self.elapsed_s, self._max_s)

    @property
    def _finished(self) -> bool:
        return self._step >= self._total_steps or self._out_of_time or self._stopping.should_stop

    def _best_state(self, record: EpochRecord) -> dict[str, Any]:
        return {
            "network": {name: weight.detach().cpu().clone() for name, weight in self.network.state_dict().items()},
            "epoch": record.epoch,
            "validation_dice": record.validation_dice,
        }

    @property
    def _since_checkpoint_s(self) -> float:
        return time.monotonic() - self._saved

    def _save(self) -> None:
        """The best state goes before the last one, which says how good it is."""
        self._saved = time.monotonic()
        if self._best is not None and not self._best_is_saved:
            self._checkpoints.save_best(self._best)
            self._best_is_saved = True
        state = {
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all(),
            "step": self._step,
            "loss_sum": self._loss_sum,
            "loss_count": self._loss_count,
            "elapsed_s": self.elapsed_s,
            "peak_bytes": self.peak_bytes,
            "best": self._stopping.best,
            "without_improvement": self._stopping.without_improvement,
            "history": [asdict(record) for record in self._history],
        }
        self._checkpoints.save_last(state)

    def _resume(self) -> None:
        state = self._checkpoints.load_last()
        if state is None:
            return
        self._best = self._checkpoints.load_best()
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"])
        torch.cuda.set_rng_state_all(state["random_cuda"])
        self._step, self._earlier_s = state["step"], state["elapsed_s"]
        self._earlier_peak_bytes = state.get("peak_bytes", 0)  # an earlier medseg did not measure it
        self._loss_sum, self._loss_count = state["loss_sum"], state["loss_count"]
        self._stopping.best = state["best"]
        self._stopping.without_improvement = state["without_improvement"]
        self._history = [EpochRecord(**row) for row in state["history"]]
        log.info("%s: goes on from its checkpoint at step %d of %d", self._name, self._step, self._total_steps)
