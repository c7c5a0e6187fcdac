"""nnU-Net beside our models: same cases, same files, same scores; a stopped training goes on."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from medseg import artifacts
from medseg.artifacts import Splits, Status, Summary
from medseg.config import load_recipe
from medseg.data.formats.nifti import read_nifti, write_nifti
from medseg.stages import record
from medseg.stages.evaluate import evaluate
from medseg.stages.ingest import ingest
from medseg.stages.preprocess import preprocess
from medseg.stages.train import train
from medseg.storage import Store, open_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(importlib.util.find_spec("nnunetv2") is None, reason="needs pip install 'medseg[nnunet]'"),
]

PATIENCE_S = 240


@dataclass(frozen=True)
class Scene:
    """Eight scans of a bright box in noise, ingested and preprocessed; runs share nnU-Net's plan and arrays."""

    recipe_settings: list[str]
    store_uri: str
    preprocessed_uri: str
    cache: Path

    @classmethod
    def make(cls, folder: Path, shape: tuple[int, int, int]) -> Scene:
        source = folder / "scans"
        for index in range(8):
            _write_case(source, f"case_{index}", shape, np.random.default_rng(index))
        model = "models=[{model: nnunet, set: {network.gpu_memory_gb: 1, train.threads: 1}}]"
        settings = ["dataset.name=boxes", f"dataset.source={source}", "dataset.modality=mr", "workers=1", model]
        recipe = load_recipe(None, settings)
        store_uri = str(folder / "store")
        return cls(settings, store_uri, preprocess(recipe, ingest(recipe, store_uri)), folder / "cache")

    def start(self, run_id: str, *settings: str) -> str:
        """URI of a new run with nnU-Net alone."""
        recipe = load_recipe(None, [*self.recipe_settings, f"run_id={run_id}", *settings])
        run_uri = artifacts.run_uri(self.store_uri, run_id)
        record.record_run(recipe, run_uri)
        return run_uri

    def unit(self, run_uri: str) -> Store:
        return open_store(artifacts.join(run_uri, artifacts.unit_key("nnunet", 0, 0)))

    def splits(self) -> Splits:
        data = open_store(self.preprocessed_uri).get_bytes(artifacts.SPLITS_FILE)
        return Splits.from_bytes(data, artifacts.SPLITS_FILE)


def _write_case(folder: Path, name: str, shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    centre = [rng.integers(6, 14), rng.integers(6, 14), shape[2] // 2]
    inside = [abs(axis - middle) < 4 for axis, middle in zip(np.indices(shape), centre, strict=True)]
    reference = np.all(inside, axis=0)
    affine = np.diag([1.0, 1.2, 1.5, 1.0])
    image = (100 * reference + rng.normal(50, 10, shape)).astype(np.int16)
    for kind, array in (("images", image), ("labels", reference.astype(np.uint8))):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        write_nifti(folder / kind / f"{name}.nii.gz", array, affine)


def history(unit: Store) -> list[dict[str, str]]:
    if not unit.exists(artifacts.HISTORY_FILE):
        return []
    return list(csv.DictReader(io.StringIO(unit.get_bytes(artifacts.HISTORY_FILE).decode())))


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.make(tmp_path_factory.mktemp("volumes"), (24, 20, 16))


@pytest.fixture
def pictures(tmp_path: Path) -> Scene:
    return Scene.make(tmp_path, (48, 40, 1))


@pytest.mark.parametrize("kind", ["volumes", "pictures"])
def test_it_is_trained_and_scored_on_our_cases_like_every_model(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene: Scene = request.getfixturevalue(kind)
    monkeypatch.setenv("MEDSEG_CACHE", str(scene.cache))
    run_uri = scene.start("whole", "train.epochs=2", "train.steps_per_epoch=8", "evaluate.tolerance_mm=2")
    train(run_uri, scene.preprocessed_uri, "nnunet")
    summary = evaluate(run_uri, "nnunet")
    assert summary is not None, Status.from_bytes(scene.unit(run_uri).get_bytes(artifacts.STATUS_FILE), "").reason
    _check_scores(scene, scene.unit(run_uri), summary)
    _check_split(scene)


def _check_scores(scene: Scene, unit: Store, summary: Summary) -> None:
    test = scene.splits().test
    assert [(row["epoch"], row["step"]) for row in history(unit)] == [("1", "8"), ("2", "16")]
    shown = EventAccumulator(str(unit.local_path("tensorboard"))).Reload()
    assert [event.step for event in shown.Scalars("validation_dice/foreground")] == [8, 16]
    assert summary.scores["dice"] is not None
    assert summary.scores["dice"] > 0.3
    assert (summary.cases, summary.cases_missing) == (len(test), 0)
    assert (summary.seconds_per_case or 0) > 0
    assert summary.train_seconds > 0
    assert summary.parameters > 100_000
    assert (summary.multiply_adds or 0) > np.prod(summary.patch or ()) > 1
    assert min(summary.train_peak_bytes or 0, summary.predict_peak_bytes or 0) > 100e6
    assert sum(one.voxels for one in summary.calibration or ()) == np.sum(summary.confusion)
    _check_probabilities(summary)
    rows = csv.DictReader(io.StringIO(unit.get_bytes(artifacts.METRICS_FILE).decode()))
    assert [row["case"] for row in rows] == test
    for case in test:
        predicted = read_nifti(unit.local_path(artifacts.prediction_key(case)) or Path())
        reference = read_nifti(Path(summary.dataset_uri) / artifacts.reference_key(case))
        assert predicted.geometry.matches(reference.geometry, tolerance_mm=1e-6)


def _check_probabilities(summary: Summary) -> None:
    """With two classes, foreground is predicted where it is more likely than not; a tie in half precision is not."""
    likely = sum(one.voxels for one in summary.calibration or () if one.low >= 0.5)
    assert likely == pytest.approx(np.array(summary.confusion)[:, 1].sum(), rel=0.02)
    assert likely > 100


def _check_split(scene: Scene) -> None:
    """nnU-Net's folder has the training and validation cases of the fold and no other."""
    fold = scene.splits().folds[0]
    (prepared,) = (scene.cache).glob("nnunet-*/preprocessed/Dataset001_medseg")
    assert json.loads((prepared / "splits_final.json").read_text()) == [{"train": fold.train, "val": fold.validation}]
    seen = {path.name.removesuffix(".pkl") for path in prepared.glob("*/*.pkl")}
    assert seen == {*fold.train, *fold.validation}


def test_its_minutes_end_it_within_an_epoch(volumes: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSEG_CACHE", str(volumes.cache))
    run_uri = volumes.start("minutes", "train.epochs=2", "train.steps_per_epoch=100000", "train.max_minutes=0.1")
    train(run_uri, volumes.preprocessed_uri, "nnunet")
    summary = evaluate(run_uri, "nnunet")
    assert summary is not None
    assert 6 <= summary.train_seconds < 30
    (row,) = history(volumes.unit(run_uri))
    assert (row["epoch"], row["validation_dice"]) == ("1", "")
    assert float(row["learning_rate"]) < 0.01


def test_a_configuration_that_it_does_not_plan_ends_as_failed(volumes: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSEG_CACHE", str(volumes.cache))
    model = "models=[{model: nnunet, set: {network.configuration: 3d_lowres}}]"
    run_uri = volumes.start("lowres", model)
    train(run_uri, volumes.preprocessed_uri, "nnunet")
    status = Status.from_bytes(volumes.unit(run_uri).get_bytes(artifacts.STATUS_FILE), "status")
    assert status.state == "failed"
    assert "plans no 3d_lowres for this data; set network.configuration" in status.reason
    assert status.reason.endswith("2d, 3d_fullres")


def test_a_stopped_training_leaves_no_process_behind_and_goes_on(volumes: Scene) -> None:
    settings = ("train.epochs=12", "train.steps_per_epoch=3", "train.workers=1", "train.checkpoint_minutes=0.0001")
    run_uri = volumes.start("stopped", *settings)
    unit = volumes.unit(run_uri)
    for number in (signal.SIGINT, signal.SIGKILL):
        epochs_before = len(history(unit))
        with training(volumes, run_uri) as process:
            wait_until(partial(has_reached, unit, epochs_before + 1))
            its_own = processes_below(process.pid)
            assert len(its_own) == 3  # itself, and a worker each for training and validation
            process.send_signal(number)
            process.wait(PATIENCE_S)
        wait_until(partial(are_gone, its_own))
    with training(volumes, run_uri) as process:
        _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, told
    assert "goes on from its last checkpoint" in told
    assert "epoch 1/12" not in told
    assert [(row["epoch"], row["step"]) for row in history(unit)] == [(str(n), str(3 * n)) for n in range(1, 13)]
    elapsed_s = [float(row["elapsed_s"]) for row in history(unit)]
    assert elapsed_s == sorted(elapsed_s)


@contextlib.contextmanager
def training(scene: Scene, run_uri: str) -> Iterator[subprocess.Popen[str]]:
    code = (
        "import sys; from functools import partial; from medseg.console import run_command;"
        " from medseg.stages.train import train;"
        " sys.exit(run_command(lambda: bool(train(*sys.argv[1:])) and 0))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, run_uri, scene.preprocessed_uri, "nnunet"],
        env={**os.environ, "MEDSEG_CACHE": str(scene.cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def has_reached(unit: Store, epoch: int) -> bool:
    """Whether that epoch is told and a checkpoint is in the store."""
    return len(history(unit)) >= epoch and any("checkpoint" in item.key for item in unit.list())


def processes_below(pid: int) -> set[Path]:
    """Running processes of nnU-Net that a training has started."""
    words = f"medseg.training.nnunet.child\0{pid}\0"
    return {path.parent for path in Path("/proc").glob("[0-9]*/cmdline") if words in _text(path)}


def are_gone(processes: set[Path]) -> bool:
    return not any("nnunet" in _text(path / "cmdline") for path in processes)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # it has just ended


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
