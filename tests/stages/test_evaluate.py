"""What one trained model's summary tells, and when earlier scores no longer count."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from medseg import artifacts
from medseg.artifacts import METRICS_FILE, SUMMARY_FILE, Summary
from medseg.config import Recipe, load_recipe
from medseg.data.formats.nifti import read_nifti
from medseg.errors import RecipeError
from medseg.metrics.confusion import confusion_matrix
from medseg.metrics.table import read_metrics
from medseg.stages.evaluate import evaluate
from medseg.stages.ingest import ingest
from medseg.stages.preprocess import preprocess
from medseg.stages.record import record_run
from medseg.stages.train import train
from medseg.storage import Store, open_store
from tests.benchmark_scene import SHAPE, write_balls

SETTINGS = (
    *("dataset.name=balls", "dataset.modality=mr", "dataset.classes={ball: 1}", "run_id=balls", "workers=1"),
    *("train.epochs=1", "train.steps_per_epoch=12", "train.threads=1", "preprocess.patch_3d=[16, 16, 16]"),
    *("evaluate.tolerance_mm=2", "evaluate.lesions.classes=[ball]"),
    "models=[{model: unet3d, set: {network.channels: [4, 8], train.learning_rate: 0.05}}]",
)


class Trained:
    """Balls, and one small network that has seen them."""

    def __init__(self, folder: Path) -> None:
        self._source = write_balls(folder / "scans")
        self._store_uri = str(folder / "store")
        recipe = self.recipe()
        self.dataset_uri = ingest(recipe, self._store_uri)
        self.run_uri = artifacts.run_uri(self._store_uri, "balls")
        record_run(recipe, self.run_uri)
        train(self.run_uri, preprocess(recipe, self.dataset_uri), "unet3d")

    def recipe(self, *settings: str) -> Recipe:
        return load_recipe(None, [f"dataset.source={self._source}", *SETTINGS, *settings])

    @property
    def unit(self) -> Store:
        return open_store(artifacts.join(self.run_uri, artifacts.unit_key("unet3d", 0, 0)))

    def evaluate(self, *settings: str) -> Summary:
        record_run(self.recipe(*settings), self.run_uri)
        summary = evaluate(self.run_uri, "unet3d")
        assert summary is not None
        return summary


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def summary(trained: Trained) -> Summary:
    return trained.evaluate()


def test_the_confusion_matrix_is_that_of_the_stored_predictions(trained: Trained, summary: Summary) -> None:
    total = np.zeros((2, 2), np.int64)
    for row in read_metrics(trained.unit.get_bytes(METRICS_FILE), METRICS_FILE):
        paths = (
            trained.unit.local_path(artifacts.prediction_key(row.case)),
            Path(summary.dataset_uri) / artifacts.reference_key(row.case),
        )
        prediction, reference = (read_nifti(path or Path()).array[0] for path in paths)
        total += confusion_matrix(prediction, reference, classes=2)
    assert summary.confusion == total.tolist()
    assert summary.cases * np.prod(SHAPE) == total.sum()


def test_every_test_voxel_has_a_probability(summary: Summary) -> None:
    assert summary.calibration is not None
    assert summary.confusion is not None
    assert sum(one.voxels for one in summary.calibration) == np.sum(summary.confusion)
    foreground = sum(one.voxels * (one.foreground or 0) for one in summary.calibration)
    assert foreground == pytest.approx(sum(summary.confusion[1]))
    filled = [one for one in summary.calibration if one.probability is not None]
    assert all(one.low - 1e-6 <= one.probability <= one.high + 1e-6 for one in filled)


def test_the_costs_stand_beside_the_scores(summary: Summary) -> None:
    assert summary.seconds_per_case is not None
    assert summary.seconds_per_case_p95 is not None
    assert 0 < summary.seconds_per_case <= summary.seconds_per_case_p95
    assert (summary.devices, summary.patch) == (1, (16, 16, 16))
    assert summary.multiply_adds is not None
    assert summary.multiply_adds > 9 * 3 * 4 * 16**3 / 8  # its first layer alone, with half the voxels along each axis
    for peak_bytes in (summary.train_peak_bytes, summary.predict_peak_bytes):
        assert 50e6 < (peak_bytes or 0) < 20e9  # at least what Python and torch take


def test_lesions_are_counted_where_the_recipe_names_their_class(trained: Trained, summary: Summary) -> None:
    rows = read_metrics(trained.unit.get_bytes(METRICS_FILE), METRICS_FILE)
    assert all(row.score.lesions and row.score.lesions.found + row.score.lesions.missed == 1 for row in rows)


def test_scores_count_only_for_their_settings(trained: Trained, summary: Summary) -> None:
    before = written(trained)
    assert trained.evaluate() == summary
    assert written(trained) == before
    assert trained.evaluate("evaluate.surface=surfel").evaluate["surface"] == "surfel"
    assert written(trained) != before


def test_scores_of_an_earlier_medseg_are_made_anew(trained: Trained, summary: Summary) -> None:
    """It knew no surfels and no lesions, and wrote no confusion matrix."""
    content = json.loads(summary.to_bytes())
    content["evaluate"] = {name: content["evaluate"][name] for name in ("tolerance_mm", "overlap", "mirror")}
    for name in ("confusion", "calibration", "patch", "multiply_adds", "train_peak_bytes", "predict_peak_bytes"):
        del content[name]
    trained.unit.put_bytes(SUMMARY_FILE, json.dumps(content).encode())
    assert trained.evaluate().confusion == summary.confusion


@pytest.mark.parametrize("name", [SUMMARY_FILE, METRICS_FILE])
def test_scores_that_are_damaged_or_gone_are_made_anew(trained: Trained, summary: Summary, name: str) -> None:
    trained.evaluate()
    whole = trained.unit.get_bytes(name)
    trained.unit.put_bytes(name, whole[: len(whole) // 2])
    assert trained.evaluate().scores == summary.scores
    trained.unit.delete(name)
    assert trained.evaluate().scores == summary.scores
    assert trained.unit.exists(name)


def test_scores_that_lack_a_case_are_made_anew(trained: Trained, summary: Summary) -> None:
    trained.evaluate()
    whole = trained.unit.get_bytes(METRICS_FILE)
    trained.unit.put_bytes(METRICS_FILE, b"".join(whole.splitlines(keepends=True)[:-1]))
    trained.evaluate()
    assert trained.unit.get_bytes(METRICS_FILE) == whole


@pytest.mark.parametrize("key", ["evaluate.lesions.classes=[bal]", "evaluate.tolerance_mm={bal: 1}"])
def test_a_class_that_is_not_there_stops_before_anything_is_predicted(trained: Trained, key: str) -> None:
    with pytest.raises(RecipeError, match=r"bal\b.*no such class; choices: ball"):
        preprocess(trained.recipe(key), trained.dataset_uri)
    model = trained.unit.get_bytes(artifacts.MODEL_FILE)
    trained.unit.put_bytes(artifacts.MODEL_FILE, b"never read")
    with pytest.raises(RecipeError, match=r"bal\b.*no such class; choices: ball"):
        trained.evaluate(key)
    trained.unit.put_bytes(artifacts.MODEL_FILE, model)


def written(trained: Trained) -> int:
    path = trained.unit.local_path(SUMMARY_FILE)
    assert path is not None
    return path.stat().st_mtime_ns
