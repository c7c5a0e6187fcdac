"""nnU-Net's trainer held to the budget of a recipe; imported only in nnU-Net's own process."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.paths import nnUNet_results
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch._dynamo import OptimizedModule

from medseg.models.operations import multiply_adds
from medseg.training.device import device_name
from medseg.training.nnunet.budget import Budget
from medseg.training.nnunet.messages import MODEL_FILE, PARTIAL, send
from medseg.training.peak_memory import PeakMemory

ELAPSED, PEAK = "elapsed_s", "peak_bytes"
VALIDATION_SHARE = 50 / 250  # steps of sampled validation for every training step: nnU-Net's own


class _OutOfTimeError(Exception):
    """The recipe's minutes are used up."""


class BudgetTrainer(nnUNetTrainer):
    """Network, loss, augmentation, batches and optimizer are nnU-Net's; the recipe says how long.

    The learning rate goes down nnU-Net's polynomial with the used part of the budget instead of the epochs. Sampled
    validation keeps its part of an epoch (50 of 250 steps), and a checkpoint is due by time instead of every 50 epochs.
    """

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device,
    ) -> None:
        self._budget = Budget.from_environment()
        self._seed(0)
        super().__init__(plans, configuration, fold, dataset_json, device)
        self._memory = PeakMemory(self.device)
        if self.device.type == "cpu":
            torch.set_num_threads(self._budget.threads)  # nnU-Net takes every core of the machine, not of the pod
        steps = self._budget.steps(self.configuration_manager.batch_size)
        self.num_val_iterations_per_epoch = max(1, round(steps * VALIDATION_SHARE))
        self.num_iterations_per_epoch = steps
        self.num_epochs = self._budget.epochs
        self.logger.plot_progress_png = lambda folder: None  # seconds after every epoch, for what history.csv tells
        self._earlier_s = 0.0
        self._earlier_peak_bytes = 0
        self._step = 0
        self._losses: list[float] = []
        self._started = self._epoch_started = self._saved = time.monotonic()

    def run_training(self) -> None:
        try:
            super().run_training()
        except _OutOfTimeError:
            if self._losses:
                self._tell_epoch(validation_dice=None, class_dice=[])
            self.on_train_end()

    def on_train_start(self) -> None:
        super().on_train_start()
        # after a restart another stream of patches, not the first one again
        self._seed(self.current_epoch)
        self._step = self.current_epoch * self.num_iterations_per_epoch
        self._started = self._saved = time.monotonic()

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self._losses = []
        self._epoch_started = time.monotonic()

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        if self._budget.is_out_of_time(self._elapsed_s):
            raise _OutOfTimeError
        self.lr_scheduler.step(self._used * self.num_epochs)
        output = super().train_step(batch)
        self._step += 1
        self._losses.append(float(output["loss"]))
        return output

    def on_train_epoch_end(self, train_outputs: list[dict[str, Any]]) -> None:
        super().on_train_epoch_end(train_outputs)
        # half precision may skip a step; weights that are lost never come back
        if not all(torch.isfinite(weight).all() for weight in self.network.parameters()):
            raise FloatingPointError(
                f"nnU-Net's weights became NaN or infinite in epoch {self.current_epoch + 1}; another"
                " network.configuration or seed may train"
            )

    def on_epoch_end(self) -> None:
        is_due = time.monotonic() - self._saved > self._budget.checkpoint_s
        self.save_every = 1 if is_due else self.num_epochs + 1
        super().on_epoch_end()
        class_dice = self.logger.get_value("dice_per_class_or_region", step=-1)
        mean = float(self.logger.get_value("mean_fg_dice", step=-1))
        self._tell_epoch(validation_dice=mean, class_dice=[float(dice) for dice in class_dice])

    def on_train_end(self) -> None:
        super().on_train_end()
        self._write_model(Path(nnUNet_results) / MODEL_FILE)

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Left out: our evaluation scores the test cases, and whole validation cases would cost minutes."""

    def save_checkpoint(self, filename: str) -> None:
        """Write a checkpoint that is there whole or not at all, and remembers training time and peak memory."""
        path = Path(filename)
        if path.name == "checkpoint_best.pth":
            return  # nnU-Net predicts with its final weights
        # the one place of a checkpoint for values of a trainer
        self.my_init_kwargs |= {ELAPSED: self._elapsed_s, PEAK: self._peak_bytes}
        partial = path.with_name(path.name + PARTIAL)
        super().save_checkpoint(str(partial))
        partial.replace(path)
        self._saved = time.monotonic()
        send("checkpoint")

    def load_checkpoint(self, filename_or_checkpoint: dict[str, Any] | str) -> None:
        super().load_checkpoint(filename_or_checkpoint)
        self._earlier_s = self.my_init_kwargs[ELAPSED]
        self._earlier_peak_bytes = self.my_init_kwargs.get(PEAK, 0)  # an earlier medseg did not measure it

    @property
    def _elapsed_s(self) -> float:
        return self._earlier_s + time.monotonic() - self._started

    @property
    def _peak_bytes(self) -> int:
        return max(self._earlier_peak_bytes, self._memory.bytes)

    @property
    def _used(self) -> float:
        return self._budget.used(self._step, self.batch_size, self._elapsed_s)

    def _seed(self, epoch: int) -> None:
        seed = int(np.random.SeedSequence((self._budget.seed, epoch)).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)

    def _tell_epoch(self, validation_dice: float | None, class_dice: list[float]) -> None:
        """A row of ``history.csv``; the scores are nnU-Net's Dice over random validation patches."""
        defined = validation_dice is not None and math.isfinite(validation_dice)
        send(
            "epoch",
            used=self._used,
            class_dice=class_dice,
            record={
                "epoch": -(-self._step // self.num_iterations_per_epoch),
                "step": self._step,
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "train_loss": float(np.mean(self._losses)),
                "validation_dice": validation_dice if defined else None,
                "seconds": time.monotonic() - self._epoch_started,
                "elapsed_s": self._elapsed_s,
            },
        )

    def _write_model(self, path: Path) -> None:
        """All that predictions need, in a file that loads without nnU-Net's classes."""
        network = self.network._orig_mod if isinstance(self.network, OptimizedModule) else self.network
        state = {
            "network": {name: weight.detach().cpu() for name, weight in network.state_dict().items()},
            "nnunet": {
                "plans": self.plans_manager.plans,
                "dataset": {key: value for key, value in self.dataset_json.items() if key != "dataset"},
                "configuration": self.configuration_name,
                "mirror_axes": list(self.inference_allowed_mirroring_axes),
            },
            "epoch": -(-self._step // self.num_iterations_per_epoch),
            "parameters": sum(weight.numel() for weight in network.parameters()),
            "patch": list(self.configuration_manager.patch_size),
            "multiply_adds": self._multiply_adds(),
            "train_peak_bytes": self._peak_bytes,
            "train_seconds": self._elapsed_s,
            "device": device_name(self.device),
        }
        torch.save(state, path)

    def _multiply_adds(self) -> int:
        """Of predicting one patch, without the further outputs that the network has in training."""
        plans, configuration = self.plans_manager, self.configuration_manager
        channels, classes = self.num_input_channels, self.label_manager.num_segmentation_heads
        with torch.device("meta"):
            network = self.build_network_architecture(plans, configuration, channels, classes, False)
            return multiply_adds(network, torch.empty(1, channels, *configuration.patch_size))
