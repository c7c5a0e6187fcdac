"""How a training goes, told to the log, to ``history.csv`` in the store and to TensorBoard."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import HISTORY_FILE
from medseg.training.checkpoint import Checkpoints
from medseg.training.history import EpochRecord, TensorBoardLog, to_csv

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Where one training's progress is told.

    Attributes:
        name: stands in front of every line.
        epochs: of the whole budget.
        score: what ``validation_dice`` is called in the lines.
    """

    name: str
    epochs: int
    checkpoints: Checkpoints
    tensorboard: TensorBoardLog
    score: str = "validation Dice"

    def tell(
        self,
        history: list[EpochRecord],
        used: float,
        validation_dice: Mapping[str, float],
        picture: NDArray[np.uint8] | None = None,
    ) -> None:
        """Tell of the last epoch in ``history``.

        Args:
            used: part of the budget, 0 to 1.
            validation_dice: by class; NaN where no validation case holds it.
            picture: (rows, columns, 3) of a prediction.
        """
        record = history[-1]
        self.checkpoints.upload(HISTORY_FILE, to_csv(history))
        self.tensorboard.scalars(record, validation_dice)
        if picture is not None:
            self.tensorboard.picture("validation/prediction", picture, record.step, used)
        for key, data in self.tensorboard.files():
            self.checkpoints.upload(key, data)
        dice = "" if record.validation_dice is None else f", {self.score} {record.validation_dice:.3f}"
        left_s = record.elapsed_s * (1 - used) / max(used, 1e-6)
        log.info(
            "%s: epoch %d/%d, loss %.3f%s, %.1f s, about %s left",
            self.name, record.epoch, self.epochs, record.train_loss, dice, record.seconds, _duration(left_s),
        )  # fmt: skip


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
