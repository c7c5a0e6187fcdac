"""What evaluate logs for Kubeflow's UI."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kfp.dsl import ClassificationMetrics, Metrics

from components.evaluate.component import evaluate
from medseg import artifacts
from medseg.artifacts import METRICS_FILE, STATUS_FILE, SUMMARY_FILE, Status, Summary
from medseg.config import load_recipe
from medseg.metrics.case import Scoring, score_case
from medseg.metrics.table import ScoreRow, write_metrics
from medseg.models import registry
from medseg.stages.record import record_run
from medseg.storage import Store, open_store

EMPTY = np.zeros((2, 2), np.uint8)
MATRIX = [[3 * 10**9, 2, 0], [4, 50, 6], [0, 7, 80]]  # more voxels than 32 bits hold


class Finished:
    """A run with one unit that has ended."""

    def __init__(self, folder: Path) -> None:
        self.uri = artifacts.run_uri(str(folder), "organs")
        self.recipe = load_recipe(None, ["name=organs", "dataset.name=organs", "models=[unet]"])
        record_run(self.recipe, self.uri)

    @property
    def unit(self) -> Store:
        return open_store(artifacts.join(self.uri, artifacts.unit_key("unet", 0, 0)))

    def status(self, state: str, stage: str) -> None:
        content = {"state": state, "stage": stage, "config_hash": "", "preprocessed_uri": "p", "updated": ""}
        self.unit.put_bytes(STATUS_FILE, Status.model_validate(content).to_bytes())

    def summary(self, confusion: list[list[int]] | None) -> None:
        summary = Summary(
            model="unet", seed=0, fold=0, dataset_uri="d", preprocessed_uri="p", cases=1, cases_missing=0,
            evaluate=registry.unit_config(self.recipe, "unet").evaluate.model_dump(mode="json"),
            scores={"dice": 0.5, "nsd": None}, per_class={"liver": {}, "left kidney": {}}, pooled={},
            confusion=confusion, seconds_per_case=1.0, train_seconds=1.0, parameters=1, device="cpu",
        )  # fmt: skip
        self.unit.put_bytes(SUMMARY_FILE, summary.to_bytes())
        scores = score_case(EMPTY, EMPTY, (1.0, 1.0), {"liver": 1, "left kidney": 2}, Scoring())
        self.unit.put_bytes(METRICS_FILE, write_metrics(ScoreRow("case", "patient", score) for score in scores))
        self.status("succeeded", "evaluate")

    def logged(self) -> tuple[dict[str, object], dict[str, object]]:
        """The metadata of both artifacts after the task."""
        metrics, confusion = Metrics(), ClassificationMetrics()
        assert evaluate.python_func(self.uri, "unit", "unet", 0, 0, metrics, confusion) == "unit"
        return metrics.metadata, confusion.metadata


@pytest.fixture
def run(tmp_path: Path) -> Finished:
    return Finished(tmp_path)


def test_scores_carry_the_model_and_the_matrix_its_classes(run: Finished) -> None:
    run.summary(MATRIX)
    metrics, confusion = run.logged()
    assert metrics == {"unet/dice": 0.5}
    assert confusion == {
        "confusionMatrix": {
            "annotationSpecs": [{"displayName": name} for name in ("background", "liver", "left kidney")],
            "rows": [{"row": row} for row in MATRIX],
        }
    }


def test_nothing_is_logged_where_nothing_was_measured(run: Finished) -> None:
    run.summary(None)
    assert run.logged() == ({"unet/dice": 0.5}, {})
    run.status("failed", "train")
    assert run.logged() == ({}, {})
