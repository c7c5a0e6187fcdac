"""Small finished data sets with voxels that can be told beforehand, laid out in a local store."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg import artifacts
from medseg.artifacts import Dataset, IngestSummary
from medseg.data.cases import write_cases
from medseg.data.formats.nifti import write_nifti
from medseg.types import Case, Shape3


def noise(seed: int, shape: Shape3 = (12, 10, 8)) -> NDArray[np.uint8]:
    """An image like no other."""
    return np.random.default_rng(seed).integers(1, 255, shape, dtype=np.uint8)


class ScratchDataset:
    """A data set whose cases a test adds one by one, then closes."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.uri = artifacts.dataset_uri(str(folder), "organs", "v1")
        self.folder = Path(self.uri)
        self.cases: list[Case] = []
        for name in ("images", "labels"):
            (self.folder / name).mkdir(parents=True)
        self.settings = {
            "channel_names": {"0": "MRI"},
            "labels": {"background": 0, "liver": 1, "tumour": 2},
            "modality": "mr",
            "dimensions": 3,
        } | settings

    def add(self, name: str, *channels: NDArray, reference: NDArray | None = None, **known: object) -> Case:
        """A case of its own patient with 2 mm voxels, unless ``known`` says otherwise."""
        spacing_mm = known.pop("spacing_mm", (2.0, 2.0, 2.0))
        affine = np.diag([*spacing_mm, 1.0])  # type: ignore[misc]
        for number, channel in enumerate(channels):
            write_nifti(self.folder / artifacts.image_key(name, number), channel, affine)
        if reference is not None:
            write_nifti(self.folder / artifacts.reference_key(name), reference, affine)
        values = {"patient": name, "split": ""} | known
        case = Case(case=name, shape=channels[0].shape, spacing_mm=spacing_mm, **values)  # type: ignore[arg-type]
        self.cases.append(case)
        return case

    def close(self, rejected: tuple[tuple[str, str, str], ...] = (), warnings: tuple[str, ...] = ()) -> str:
        """Write the tables, ``dataset.json`` last; returns the URI."""
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([("path", "code", "reason"), *rejected])
        summary = IngestSummary(
            layout="pairs",
            layout_reason="images/ and labels/ with equal names",
            files_seen=2 * len(self.cases) + len(rejected),
            files_accepted=2 * len(self.cases),
            files_rejected=len(rejected),
            cases=len(self.cases),
            rejected_by_code=dict(Counter(code for _, code, _ in rejected)),
            warnings=list(warnings),
        )
        about = {"numTraining": len(self.cases), "name": "organs", "version": "v1", "layout": "pairs"}
        (self.folder / artifacts.REJECTED_FILE).write_text(table.getvalue(), encoding="utf-8", newline="")
        (self.folder / artifacts.CASES_FILE).write_bytes(write_cases(self.cases))
        (self.folder / artifacts.INGEST_FILE).write_bytes(summary.to_bytes())
        (self.folder / artifacts.DATASET_FILE).write_bytes(Dataset.model_validate(about | self.settings).to_bytes())
        return self.uri


def marked(shape: Shape3 = (12, 10, 8), liver: int = 0, tumour: int = 0) -> NDArray[np.uint8]:
    """A reference with that many voxels of each class."""
    reference = np.zeros(shape, dtype=np.uint8)
    reference.flat[:liver] = 1
    reference.flat[liver : liver + tumour] = 2
    return reference
