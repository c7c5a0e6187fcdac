"""What TensorBoard shows of a training while it goes on, and when it went on after it was killed."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from medseg.training.history import EpochRecord, TensorBoardLog


def epoch(step: int, loss: float = 0.0, dice: float | None = None) -> EpochRecord:
    return EpochRecord(step // 5, step, 0.1, loss, dice, seconds=1.0, elapsed_s=1.0)


def write(folder: Path, name: str, *told: tuple[EpochRecord, dict[str, float]]) -> None:
    """The event file of one process, under a name of our own: the real ones begin with the time."""
    with TensorBoardLog() as log:
        for record, validation_dice in told:
            log.scalars(record, validation_dice)
        ((_, data),) = log.files()
    (folder / f"events.out.tfevents.{name}").write_bytes(data)


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    shown = EventAccumulator(str(folder)).Reload()
    return {tag: [(event.step, event.value) for event in shown.Scalars(tag)] for tag in shown.Tags()["scalars"]}


def test_every_class_has_a_curve_beside_the_mean(tmp_path: Path) -> None:
    write(tmp_path, "1", (epoch(5, dice=0.5), {"liver": 0.75, "tumour": 0.25}), (epoch(10), {}))
    shown = curves(tmp_path)
    assert shown["validation_dice"] == [(5, 0.5)]
    assert shown["validation_dice/liver"] == [(5, 0.75)]
    assert shown["validation_dice/tumour"] == [(5, 0.25)]
    assert [step for step, _ in shown["train_loss"]] == [5, 10]


def test_a_class_that_no_validation_case_holds_has_no_curve(tmp_path: Path) -> None:
    write(tmp_path, "1", (epoch(5, dice=0.75), {"liver": 0.75, "tumour": math.nan}))
    assert "validation_dice/tumour" not in curves(tmp_path)


def test_a_restart_goes_on_with_the_same_curve(tmp_path: Path) -> None:
    """Killed after step 15, it goes on from a checkpoint of step 7: steps 10 and 15 are told twice."""
    write(tmp_path, "1", *((epoch(step, loss=1.0), {}) for step in (5, 10, 15)))
    write(tmp_path, "2", *((epoch(step, loss=2.0), {}) for step in (10, 15, 20)))
    assert curves(tmp_path)["train_loss"] == [(5, 1.0), (10, 2.0), (15, 2.0), (20, 2.0)]


def test_a_long_training_leaves_twenty_pictures(tmp_path: Path) -> None:
    with TensorBoardLog() as log:
        for number in range(1000):
            log.picture("slice", np.full((2, 2, 3), number % 256, np.uint8), step=number, used=number / 1000)
        ((name, data),) = log.files()
    (tmp_path / Path(name).name).write_bytes(data)
    pictures = EventAccumulator(str(tmp_path), size_guidance={"images": 0}).Reload().Images("slice")
    assert len(pictures) == 20
    assert pictures[0].step == 0
    assert all(50 <= after.step - before.step <= 51 for before, after in pairwise(pictures))


def test_a_training_that_told_nothing_leaves_no_file() -> None:
    with TensorBoardLog() as log:
        assert log.files() == []
