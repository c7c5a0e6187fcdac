"""What nnU-Net is given, and how its end is understood; whole trainings are in tests/stages/test_nnunet.py."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medseg.artifacts import Dataset, Fold
from medseg.config import TrainConfig
from medseg.data.formats.nifti import read_nifti, write_nifti
from medseg.errors import NonFiniteLossError, OutOfMemoryError, TrainingError
from medseg.models.nnunet import NnunetSettings
from medseg.storage import open_store
from medseg.training.nnunet import command
from medseg.training.nnunet.budget import Budget
from medseg.training.nnunet.machine import Machine
from medseg.training.nnunet.mirror import Mirror
from medseg.training.nnunet.workspace import Scans, dataset_json, splits_json
from medseg.types import Case, Shape3


def dataset(dimensions: int = 3) -> Dataset:
    return Dataset(
        channel_names={"0": "CT 1", "1": "PET"},
        labels={"background": 0, "liver": 1, "ignore": 2},
        numTraining=9,
        name="toy",
        version="v1",
        modality="ct",
        dimensions=dimensions,  # type: ignore[arg-type]
        layout="pairs",
    )


def scans(folder: Path, shape: Shape3 = (4, 6, 5)) -> Scans:
    cases = [Case(name, name, "", shape, (1.0, 1.0, 1.0)) for name in ("a", "b", "c")]
    return Scans(dataset(2 if shape[2] == 1 else 3), cases, folder, slice_axis=2)


def budget(max_s: float | None = None, steps_per_epoch: int | None = None) -> Budget:
    return Budget(10, steps_per_epoch, 40, max_s, checkpoint_s=60, seed=0, threads=1)


def test_its_data_set_holds_the_given_cases_and_no_class_that_it_would_ignore() -> None:
    files = {"a": {"images": ["a_0000.nii.gz"], "label": "a.nii.gz"}}
    assert dataset_json(dataset(), files) == {
        "channel_names": {"0": "CT", "1": "PET"},
        "labels": {"background": 0, "1 liver": 1, "2 ignore": 2},
        "numTraining": 1,
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "NibabelIO",
        "dataset": files,
    }


def test_its_folds_are_ours() -> None:
    folds = [Fold(train=["a", "b"], validation=["c"]), Fold(train=["c"], validation=["a", "b"])]
    assert splits_json(folds) == [{"train": ["a", "b"], "val": ["c"]}, {"train": ["c"], "val": ["a", "b"]}]


def test_volumes_are_read_where_they_lie(tmp_path: Path) -> None:
    files = scans(tmp_path).images("a", tmp_path / "scratch")
    assert files == [str(tmp_path / "images/a_0000.nii.gz"), str(tmp_path / "images/a_0001.nii.gz")]


def test_pictures_get_a_slice_distance_that_keeps_their_one_slice_apart(tmp_path: Path) -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(4, 6, 1)
    (tmp_path / "labels").mkdir()
    write_nifti(tmp_path / "labels/a.nii.gz", picture, np.diag([0.5, 2.0, 1.0, 1.0]))
    copy = read_nifti(Path(scans(tmp_path, (4, 6, 1)).reference("a", tmp_path / "scratch")))
    np.testing.assert_array_equal(copy.array[0], picture)
    assert copy.geometry.spacing_mm == (0.5, 2.0, 999 * 2.0)


@pytest.mark.parametrize(
    ("shape", "asked", "trained", "samples"),
    [
        ((4, 6, 5), "3d_fullres", "3d_fullres", 2),
        ((4, 6, 5), "2d", "2d", 2 * 5),
        ((4, 6, 1), "3d_fullres", "2d", 2),
    ],
)
def test_one_pass_is_every_case_or_every_slice(
    tmp_path: Path, shape: Shape3, asked: str, trained: str, samples: int
) -> None:
    settings = NnunetSettings(configuration=asked, gpu_memory_gb=8)  # type: ignore[arg-type]
    given = scans(tmp_path, shape)
    assert given.configuration(settings) == trained
    assert given.samples(["a", "c"], trained) == samples


def test_an_epoch_has_the_steps_of_the_recipe_or_one_pass() -> None:
    assert budget(steps_per_epoch=7).steps(batch_size=2) == 7
    assert budget().steps(batch_size=2) == 20
    assert budget().steps(batch_size=99) == 1


def test_the_used_part_is_of_steps_or_minutes_whichever_is_further() -> None:
    assert budget().used(step=50, batch_size=2, elapsed_s=1e9) == 0.25
    assert budget(max_s=60).used(step=50, batch_size=2, elapsed_s=45) == 0.75
    assert budget(max_s=60).used(step=50, batch_size=2, elapsed_s=90) == 1
    assert [budget(max_s=60).is_out_of_time(s) for s in (59, 60)] == [False, True]
    assert not budget().is_out_of_time(1e9)


def test_the_budget_reaches_the_process_of_nnunet(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(epochs=3, max_minutes=2, checkpoint_minutes=1)
    given = Budget.of(config, samples=40, seed=5, threads=2)
    assert given == Budget(3, None, 40, max_s=120, checkpoint_s=60, seed=5, threads=2)
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert Budget.from_environment() == given


def test_workers_augment_for_a_gpu_and_leave_a_cpu_alone(tmp_path: Path) -> None:
    assert Machine.of(TrainConfig(), "cpu").workers == 0
    assert Machine.of(TrainConfig(), "cuda").workers >= 1
    assert Machine.of(TrainConfig(workers=3, threads=4), "cpu").environment(tmp_path, tmp_path).items() >= {
        ("nnUNet_n_proc_DA", "3"),
        ("nnUNet_def_n_proc", "4"),
    }


def planning(folder: Path, does: str, heard: Callable[[dict[str, Any]], None] = lambda message: None) -> None:
    """Run the process of nnU-Net with a package in its place whose planning does that."""
    module = folder / "nnunetv2/experiment_planning/plan_and_preprocess_entrypoints.py"
    module.parent.mkdir(parents=True)
    for package in module.parents[:2]:
        (package / "__init__.py").touch()
    module.write_text(f"def plan_and_preprocess_entry():\n    {does}\n")
    command.run("plan", environment={"PYTHONPATH": str(folder)}, folder=folder, heard=heard)


@pytest.mark.parametrize(
    ("does", "kind", "says"),
    [
        ("import torch; torch.empty(2**50)", OutOfMemoryError, "out of memory .*lower network.gpu_memory_gb"),
        ("raise FloatingPointError('the weights became NaN')", NonFiniteLossError, "the weights became NaN"),
        (
            "raise RuntimeError('Some background worker is 6 feet under')",
            OutOfMemoryError,
            "most likely for its memory",
        ),
        ("raise ValueError('no foreground')", TrainingError, "plan ended with exit code 1: ValueError: no foreground"),
    ],
)
def test_a_failure_is_named(tmp_path: Path, does: str, kind: type[TrainingError], says: str) -> None:
    with pytest.raises(TrainingError, match=says) as error:
        planning(tmp_path, does)
    assert type(error.value) is kind


def test_a_killed_process_was_most_likely_out_of_memory_and_takes_its_workers_along(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    does = (
        "import os, subprocess; worker = subprocess.Popen(['sleep', '600']);"
        " from medseg.training.nnunet.messages import send; send('worker', pid=worker.pid); os.kill(os.getpid(), 9)"
    )
    with pytest.raises(OutOfMemoryError, match="a process of nnU-Net's plan was killed"):
        planning(tmp_path, does, told.append)
    (worker,) = told
    with contextlib.suppress(FileNotFoundError):
        assert not Path(f"/proc/{worker['pid']}/cmdline").read_text()  # empty while it waits to be reaped


def test_whoever_stops_listening_ends_the_process(tmp_path: Path) -> None:
    def stop(message: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    does = "import time; from medseg.training.nnunet.messages import send; send('here'); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt):
        planning(tmp_path, does, stop)


def test_results_go_to_the_store_and_come_back_without_what_is_half_written(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    results = tmp_path / "results"
    (results / "fold_0").mkdir(parents=True)
    latest = results / "fold_0/checkpoint_latest.pth"
    with Mirror(store, results) as mirror:
        assert not mirror.fetch()
        latest.write_text("epoch 1")
        (results / "fold_0/checkpoint_latest.pth.part").write_text("half")
        mirror.push()
    assert [item.key for item in store.list()] == ["nnunet/fold_0/checkpoint_latest.pth"]
    back = tmp_path / "back"
    with Mirror(store, back) as mirror:
        assert mirror.fetch()
        assert (back / "fold_0/checkpoint_latest.pth").read_text() == "epoch 1"
        (back / "fold_0/checkpoint_latest.pth").rename(back / "fold_0/checkpoint_final.pth")
        mirror.finish()
    assert [item.key for item in store.list()] == ["nnunet/fold_0/checkpoint_final.pth"]


def test_its_foreground_probability_is_what_softmax_leaves_to_the_other_classes() -> None:
    pytest.importorskip("nnunetv2")
    from medseg.training.nnunet.predictor import foreground_probability

    for logits in (torch.randn(4, 3, 5, 6) * 30, torch.randn(4, 3, 5, 6).half()):
        expected = 1 - torch.softmax(logits.float(), 0)[0]
        torch.testing.assert_close(foreground_probability(logits), expected, rtol=0, atol=1e-6)
