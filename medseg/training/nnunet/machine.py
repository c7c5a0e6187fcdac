"""What nnU-Net may use of this machine, and the variables that tell it so."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from medseg.config import TrainConfig
from medseg.pool import core_count

MOST_WORKERS = 12  # nnU-Net's own default


@dataclass(frozen=True)
class Machine:
    """A share of a machine.

    Attributes:
        device: ``cuda`` or ``cpu``.
        workers: processes that load and augment; 0 does so in the training process.
        threads: CPU threads of torch.
    """

    device: str
    cores: int
    workers: int
    threads: int

    @classmethod
    def of(cls, config: TrainConfig, device: str) -> Self:
        """A GPU would wait for augmentation without workers; on a CPU they only take cores from the training."""
        cores = core_count()
        workers = min(cores, MOST_WORKERS) if device == "cuda" else 0
        return cls(device, cores, config.workers or workers, config.threads or cores)

    def environment(self, prepared: Path, results: Path) -> dict[str, str]:
        """Variables of nnU-Net's processes; ``prepared`` holds ``raw/`` and ``preprocessed/``."""
        folders = {"raw": prepared / "raw", "preprocessed": prepared / "preprocessed", "results": results}
        return {
            **{f"nnUNet_{name}": str(folder.absolute()) for name, folder in folders.items()},
            "nnUNet_n_proc_DA": str(self.workers),
            "nnUNet_def_n_proc": str(self.threads),
            # compiling needs a compiler, which slim images lack, and its minutes would count as training
            "nnUNet_compile": os.environ.get("nnUNet_compile", "f"),  # noqa: SIM112  nnU-Net's spelling
            "PYTHONUNBUFFERED": "1",
        }
