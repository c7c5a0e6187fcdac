"""nnU-Net predicts our test cases."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from medseg.config import EvaluateConfig
from medseg.training.nnunet import command
from medseg.training.nnunet.machine import Machine
from medseg.training.nnunet.workspace import Scans
from medseg.types import Prediction

Predicted = Callable[[str, Prediction, float], None]  # a case, and the seconds from the preprocessed array to it
NotPredicted = Callable[[str, str], None]  # a case that was too large, and what nnU-Net said


def predict(
    model: Path,
    scans: Scans,
    cases: Sequence[str],
    config: EvaluateConfig,
    machine: Machine,
    folder: Path,
    predicted: Predicted,
    not_predicted: NotPredicted,
) -> int:
    """Predict cases one after the other in nnU-Net's process, and hand over each one while it goes on with the next.

    Args:
        model: file with what ``fit`` returned.
        folder: empty; holds predictions until they are handed over.

    Returns:
        The most memory in use by the process; see ``PeakMemory``.

    Raises:
        TrainingError: nnU-Net failed; with its last lines.
    """
    files = {
        case: {
            "images": scans.images(case, folder),
            "classes": str(folder / f"{case}.npy"),
            "foreground": str(folder / f"{case}_foreground.npy"),
        }
        for case in cases
    }
    job = {
        "model": str(model),
        "device": machine.device,
        "threads": machine.threads,
        "overlap": config.overlap,
        "mirror": config.mirror,
        "cases": files,
    }
    job_path = folder / "job.json"
    job_path.write_text(json.dumps(job))
    with tqdm(total=len(cases), desc="nnunet", unit="case", disable=None) as bar:
        course = _Course(files, predicted, not_predicted, bar)
        environment = machine.environment(folder, folder)
        command.run("predict", str(job_path), environment=environment, folder=folder, heard=course.hear)
    return course.peak_bytes


class _Course:
    """What the process of a prediction says, passed on as it comes."""

    def __init__(
        self, files: Mapping[str, Mapping[str, Any]], predicted: Predicted, not_predicted: NotPredicted, bar: tqdm[Any]
    ) -> None:
        self.peak_bytes = 0
        self._files = files
        self._predicted = predicted
        self._not_predicted = not_predicted
        self._bar = bar

    def hear(self, message: dict[str, Any]) -> None:
        match message:
            case {"event": "case", "case": case, "seconds": seconds}:
                prediction = Prediction(*(_taken(self._files[case][name]) for name in ("classes", "foreground")))
                self._predicted(case, prediction, seconds)
                self._bar.update()
            case {"event": "failed-case", "case": case, "reason": reason}:
                self._not_predicted(case, reason)
                self._bar.update()
            case {"event": "end", "peak_bytes": peak_bytes}:
                self.peak_bytes = peak_bytes


def _taken(path: str) -> NDArray[Any]:
    """The array of a file, which goes: five bytes a voxel of every test case might fill the disk."""
    array = np.load(path)
    Path(path).unlink()
    return array
