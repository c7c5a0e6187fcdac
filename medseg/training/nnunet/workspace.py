"""The folders that nnU-Net works in: its data set, splits and plan, made from the canonical data set."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medseg.artifacts import Dataset, Fold, Splits, image_key, reference_key
from medseg.config import digest
from medseg.data.formats.nifti import read_nifti, write_nifti
from medseg.errors import TrainingError
from medseg.models.nnunet import NnunetSettings
from medseg.pool import worth
from medseg.storage.cache import cache_root
from medseg.training.nnunet import command
from medseg.training.nnunet.machine import Machine
from medseg.types import Case

log = logging.getLogger(__name__)

DATASET_NUMBER = "1"
DATASET_NAME = "Dataset001_medseg"
SLICE_DISTANCE = 999  # in pixels: what nnU-Net's own readers give pictures, whose single slice must not set the plan


@dataclass(frozen=True)
class Scans:
    """The canonical data set as files of this machine.

    Attributes:
        folder: holds ``images/`` and, for training, ``labels/``.
        slice_axis: 2D networks see volumes across this axis.
    """

    dataset: Dataset
    cases: Sequence[Case]
    folder: Path
    slice_axis: int

    def configuration(self, settings: NnunetSettings) -> str:
        """Of nnU-Net's configurations the one that is trained."""
        return "2d" if self.dataset.dimensions == 2 else settings.configuration

    def samples(self, names: Sequence[str], configuration: str) -> int:
        """What one pass over these cases is: every case, or every slice of every case."""
        if configuration != "2d":
            return len(names)
        chosen = set(names)
        return sum(case.shape[self.slice_axis] for case in self.cases if case.case in chosen)

    def images(self, case: str, scratch: Path) -> list[str]:
        """Files with the channels of a case; pictures are copied to ``scratch`` with nnU-Net's slice distance."""
        keys = [image_key(case, channel) for channel in range(len(self.dataset.channel_names))]
        return [self._file(key, scratch) for key in keys]

    def reference(self, case: str, scratch: Path) -> str:
        return self._file(reference_key(case), scratch)

    def _file(self, key: str, scratch: Path) -> str:
        path = (self.folder / key).absolute()
        if self.dataset.dimensions == 3:
            return str(path)
        copy = scratch / key
        copy.parent.mkdir(parents=True, exist_ok=True)
        picture = read_nifti(path)
        i, j, _ = picture.geometry.spacing_mm
        write_nifti(copy, picture.array[0], np.diag([i, j, SLICE_DISTANCE * max(i, j), 1.0]))
        return str(copy)


def dataset_json(dataset: Dataset, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """nnU-Net's description of the cases that it may see.

    Args:
        files: case name to its ``images`` and ``label``.
    """
    return {
        # nnU-Net scales by the training set where a channel is called CT, and each case by itself elsewhere
        "channel_names": {number: re.sub(r"^CT \d+$", "CT", name) for number, name in dataset.channel_names.items()},
        # numbered: a class called "ignore" would be left out of the loss
        "labels": {"background": 0} | {f"{value} {name}": value for name, value in dataset.foreground.items()},
        "numTraining": len(files),
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "NibabelIO",  # ITK, its default, refuses the affines of some scanners
        "dataset": dict(files),
    }


def splits_json(folds: Sequence[Fold]) -> list[dict[str, list[str]]]:
    """``splits_final.json``: nnU-Net trains fold n on its n-th entry."""
    return [{"train": fold.train, "val": fold.validation} for fold in folds]


def prepare(scans: Scans, splits: Splits, settings: NnunetSettings, machine: Machine, preprocessed_uri: str) -> Path:
    """A folder with nnU-Net's plan and arrays of all training and validation cases, made unless it is there.

    It is kept beside the machine's other copies, for further seeds, folds and restarts. Training
    and validation cases of all folds shape the plan (ours leaves validation cases out where there is one fold); test
    cases are not in the folder.

    Raises:
        TrainingError: nnU-Net fails, or plans no such configuration for this data.
    """
    configuration = scans.configuration(settings)
    version = importlib.metadata.version("nnunetv2")
    shaped_by = {"data": preprocessed_uri, "version": version, **settings.model_dump(), "configuration": configuration}
    folder = (cache_root() / f"nnunet-{digest(shaped_by)}").absolute()
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nnunet-", suffix=".part", dir=folder.parent) as scratch:
        partial = Path(scratch) / "prepared"
        _make(partial, scans, splits, settings, machine)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process was faster
                raise
    return folder


def _make(folder: Path, scans: Scans, splits: Splits, settings: NnunetSettings, machine: Machine) -> None:
    configuration = scans.configuration(settings)
    raw = folder / "raw" / DATASET_NAME
    raw.mkdir(parents=True)
    names = sorted({name for fold in splits.folds for name in (*fold.train, *fold.validation)})
    files = {name: {"images": scans.images(name, raw), "label": scans.reference(name, raw)} for name in names}
    (raw / "dataset.json").write_text(json.dumps(dataset_json(scans.dataset, files), indent=1))
    (raw / "splits_final.json").write_text(json.dumps(splits_json(splits.folds), indent=1))
    processes = str(max(1, worth(machine.cores, len(names))))
    log.info("nnunet: plans and preprocesses %d cases for %s", len(names), configuration)
    command.run(
        "plan",
        *("-d", DATASET_NUMBER, "-c", configuration, "-gpu_memory_target", str(settings.gpu_memory_gb)),
        *("-np", processes, "-npfp", processes, "--no_pbar"),
        # planning takes the number of workers for that of threads, which cannot be 0
        environment={**machine.environment(folder, folder / "results"), "nnUNet_n_proc_DA": str(machine.threads)},
        folder=folder,
    )
    planned(folder, configuration)


def planned(prepared: Path, configuration: str) -> dict[str, Any]:
    """What nnU-Net has planned: ``patch_size``, ``batch_size`` and much more.

    Raises:
        TrainingError: it plans no such configuration for this data.
    """
    plans = json.loads((prepared / "preprocessed" / DATASET_NAME / "nnUNetPlans.json").read_text())
    configurations = plans["configurations"]
    if configuration not in configurations:
        raise TrainingError(
            f"nnU-Net plans no {configuration} for this data; set network.configuration of this model to one of those"
            f" that it plans: {', '.join(name for name in configurations if 'cascade' not in name)}"
        )
    return configurations[configuration]
