"""nnU-Net predicts our test cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from medseg.config import EvaluateConfig
from medseg.errors import OutOfMemoryError
from medseg.training.nnunet import command
from medseg.training.nnunet.machine import Machine
from medseg.training.nnunet.workspace import Scans


class Predictions:
    """Class maps of cases, predicted into a folder by one process.

    Args:
        model: file with what ``fit`` returned.
        folder: empty; holds the class maps for as long as they are asked for.

    Raises:
        TrainingError: nnU-Net failed; with its last lines.
    """

    def __init__(
        self, model: Path, scans: Scans, cases: Sequence[str], config: EvaluateConfig, machine: Machine, folder: Path
    ) -> None:
        self._folder = folder
        self._seconds: dict[str, float] = {}
        self._failed: dict[str, str] = {}
        images = {case: scans.images(case, folder) for case in cases}
        job = {
            "model": str(model),
            "device": machine.device,
            "threads": machine.threads,
            "overlap": config.overlap,
            "mirror": config.mirror,
            "cases": {case: {"images": images[case], "output": str(self._file(case))} for case in cases},
        }
        job_path = folder / "job.json"
        job_path.write_text(json.dumps(job))
        with tqdm(total=len(cases), desc="nnunet", unit="case", disable=None) as self._bar:
            command.run(
                "predict",
                str(job_path),
                environment=machine.environment(folder, folder),
                folder=folder,
                heard=self._hear,
            )

    def of(self, case: str) -> tuple[NDArray[np.uint8], float]:
        """(I, J, K) class map on the native grid, and the seconds from the preprocessed array to it.

        Raises:
            OutOfMemoryError: the case was too large.
        """
        if case in self._failed:
            raise OutOfMemoryError(self._failed[case])
        return np.load(self._file(case)), self._seconds[case]

    def _file(self, case: str) -> Path:
        return self._folder / f"{case}.npy"

    def _hear(self, message: dict[str, Any]) -> None:
        self._bar.update()
        if message["event"] == "case":
            self._seconds[message["case"]] = message["seconds"]
        if message["event"] == "failed-case":
            self._failed[message["case"]] = message["reason"]
