"""How long nnU-Net may train, in its own units."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Self

from medseg.config import TrainConfig
from medseg.training import budget

VARIABLE = "MEDSEG_NNUNET_BUDGET"


@dataclass(frozen=True)
class Budget:
    """The part of a recipe that nnU-Net's training keeps to.

    Attributes:
        steps_per_epoch: None is one pass over the training data.
        samples: what one pass is: every training case, or every slice of every case.
        max_s: wall-clock time of all sessions together.
        checkpoint_s: longest time between two checkpoints, at the end of an epoch.
        threads: CPU threads of torch.
    """

    epochs: int
    steps_per_epoch: int | None
    samples: int
    max_s: float | None
    checkpoint_s: float
    seed: int
    threads: int

    @classmethod
    def of(cls, config: TrainConfig, samples: int, seed: int, threads: int) -> Self:
        return cls(
            epochs=config.epochs,
            steps_per_epoch=config.steps_per_epoch,
            samples=samples,
            max_s=config.max_minutes * 60 if config.max_minutes else None,
            checkpoint_s=config.checkpoint_minutes * 60,
            seed=seed,
            threads=threads,
        )

    def steps(self, batch_size: int) -> int:
        """Steps of an epoch with the batch size that nnU-Net has planned."""
        return self.steps_per_epoch or max(1, round(self.samples / batch_size))

    def used(self, step: int, batch_size: int, elapsed_s: float) -> float:
        """Used part of the budget, 0 to 1: of steps or of time, whichever is further."""
        return budget.used(step, self.epochs * self.steps(batch_size), elapsed_s, self.max_s)

    def is_out_of_time(self, elapsed_s: float) -> bool:
        return budget.is_out_of_time(elapsed_s, self.max_s)

    def environment(self) -> dict[str, str]:
        """The variable that hands it to nnU-Net's process."""
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Self:
        return cls(**json.loads(os.environ[VARIABLE]))
