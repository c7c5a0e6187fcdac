"""Small finished runs with hand-made scores, laid out in a local store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from medseg import artifacts
from medseg.artifacts import (
    Dataset,
    Fold,
    Normalization,
    Normalize,
    Plan,
    PretrainedWeights,
    Resample,
    Splits,
    Status,
    Summary,
)
from medseg.data.cases import write_cases
from medseg.data.formats.nifti import write_nifti
from medseg.metrics.aggregate import aggregate
from medseg.metrics.case import Scoring, score_case
from medseg.metrics.table import ScoreRow, write_metrics
from medseg.storage import Store, open_store
from medseg.types import Case

LABELS = {"liver": 1, "tumour": 2}
SCORING = Scoring({"liver": 1.0, "tumour": 1.0})
SHAPE = (12, 10, 4)
TEST_CASES = ("case_1", "case_2", "case_3")
HISTORY = (
    b"epoch,step,learning_rate,train_loss,validation_dice,seconds,elapsed_s\n"
    b"0,10,0.1,1.5,,2,2\n1,20,0.1,0.9,0.5,2,4\n2,30,0.1,0.7,0.6,2,6\n"
)


class ScratchRun:
    """A run whose parts a test adds one by one; every test case holds a liver, odd ones a tumour too."""

    def __init__(
        self, folder: Path, cases: tuple[str, ...] = TEST_CASES, run_id: str = "demo-1", dataset: str = "organs"
    ) -> None:
        self.uri = artifacts.run_uri(str(folder), run_id)
        self.store: Store = open_store(self.uri)
        self.dataset = dataset
        self.dataset_uri = artifacts.dataset_uri(str(folder), dataset, "v1")
        self.preprocessed_uri = artifacts.preprocessed_uri(str(folder), "v1", run_id)
        self.cases = cases
        self.folder = folder
        self._write_dataset()

    def config(self, models: list[str], seeds: tuple[int, ...] = (0,), more: str = "") -> None:
        """The recipe; ``more`` are further lines of it."""
        names = "".join(f"\n  - {model}" for model in models)
        text = f"name: demo\ndataset: {{name: organs}}\ntrain: {{seeds: {list(seeds)}}}\nmodels:{names}\n{more}"
        self.store.put_bytes(artifacts.CONFIG_FILE, text.encode())

    def environment(self, started: str, **facts: object) -> None:
        text = json.dumps({"started": started, **facts})
        self.store.put_bytes(artifacts.ENVIRONMENT_FILE, text.encode())

    def status(self, model: str, state: str, seed: int = 0, reason: str = "", stage: str = "train") -> None:
        status = Status(
            state=state,  # type: ignore[arg-type]
            stage=stage,  # type: ignore[arg-type]
            reason=reason,
            config_hash="c",
            preprocessed_uri=self.preprocessed_uri,
            updated="2026-01-01T00:00:00+00:00",
        )
        self.put(model, artifacts.STATUS_FILE, status.to_bytes(), seed)

    def succeed(self, model: str, shift: int = 0, seed: int = 0, weights: str = "", **costs: object) -> None:
        """A training whose predictions are the references moved by some voxels along I: 0 is perfect.

        Args:
            weights: where those that it started from lie; empty for random ones.
            costs: further fields of its summary.
        """
        rows: list[ScoreRow] = []
        for case in self.cases:
            prediction = np.roll(reference_of(case), shift, axis=0)
            scores = score_case(prediction, reference_of(case), (1.0, 1.0, 3.0), LABELS, SCORING)
            rows += [ScoreRow(case, f"patient_{case}", score) for score in scores]
            self.put(model, artifacts.prediction_key(case), nifti_bytes(self.folder, prediction), seed)
        means = aggregate([rows])
        summary = Summary(
            model=model,
            seed=seed,
            fold=0,
            dataset_uri=self.dataset_uri,
            preprocessed_uri=self.preprocessed_uri,
            cases=len(self.cases),
            cases_missing=0,
            evaluate={},
            scores=means.scores,
            per_class=means.per_class,
            pooled=means.pooled,
            weights=PretrainedWeights(place=weights, sha256="") if weights else None,
            **{
                **{"seconds_per_case": 0.5, "train_seconds": 60.0 + seed, "parameters": 1_500_000, "device": "cpu"},
                **costs,
            },  # type: ignore[arg-type]
        )
        self.put(model, artifacts.METRICS_FILE, write_metrics(rows), seed)
        self.put(model, artifacts.SUMMARY_FILE, summary.to_bytes(), seed)
        self.put(model, artifacts.HISTORY_FILE, HISTORY, seed)
        self.status(model, "succeeded", seed, stage="evaluate")

    def put(self, model: str, key: str, data: bytes, seed: int = 0) -> None:
        self.store.put_bytes(f"{artifacts.unit_key(model, seed, 0)}/{key}", data)

    def delete(self, model: str, key: str, seed: int = 0) -> None:
        self.store.delete(f"{artifacts.unit_key(model, seed, 0)}/{key}")

    def _write_dataset(self) -> None:
        dataset = Dataset(
            channel_names={"0": "CT"},
            labels={"background": 0, **LABELS},
            numTraining=5,
            name=self.dataset,
            version="v1",
            modality="ct",
            dimensions=3,
            layout="pairs",
        )
        plan = Plan(
            dataset_uri=self.dataset_uri,
            dataset_version="v1",
            labels={"background": 0, **LABELS},
            channels=1,
            dimensions=3,
            modality="ct",
            steps=(
                Normalize(channels=(Normalization(method="ct", low=-100, high=200),)),
                Resample(spacing_mm=(1.0, 1.0, 3.0), size=None, order=3, coarse_axis_order=1, anisotropy_limit=3.0),
            ),
            slice_axis=2,
            patch_2d=(8, 8),
            patch_3d=(8, 8, 4),
            fingerprint={},
        )
        splits = Splits(test=list(self.cases), folds=[Fold(train=["case_8"], validation=["case_9"])])
        dataset_store, preprocessed = open_store(self.dataset_uri), open_store(self.preprocessed_uri)
        everyone = (*self.cases, "case_8", "case_9")
        dataset_store.put_bytes(
            artifacts.CASES_FILE, write_cases([Case(c, f"patient_{c}", "", SHAPE, (1.0, 1.0, 3.0)) for c in everyone])
        )
        for case in self.cases:
            image = (reference_of(case) * 60).astype(np.int16)
            dataset_store.put_bytes(artifacts.image_key(case, 0), nifti_bytes(self.folder, image))
            dataset_store.put_bytes(artifacts.reference_key(case), nifti_bytes(self.folder, reference_of(case)))
        dataset_store.put_bytes(artifacts.DATASET_FILE, dataset.to_bytes())
        preprocessed.put_bytes(artifacts.PLAN_FILE, plan.to_bytes())
        preprocessed.put_bytes(artifacts.SPLITS_FILE, splits.to_bytes())


def reference_of(case: str) -> np.ndarray:
    """A liver of 6 x 4 x 2 voxels; in odd cases its first 2 voxels along I are tumour."""
    reference = np.zeros(SHAPE, dtype=np.uint8)
    reference[2:8, 3:7, 1:3] = 1
    if int(case[-1]) % 2:
        reference[2:4, 3:7, 1:3] = 2
    return reference


def nifti_bytes(folder: Path, array: np.ndarray) -> bytes:
    path = folder / "scratch.nii.gz"
    write_nifti(path, array, np.diag([1.0, 1.0, 3.0, 1.0]))
    data = path.read_bytes()
    path.unlink()
    return data
