"""Training learns, survives being killed, and ends with a named failure where there is no model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from medseg.artifacts import CHECKPOINT_LAST_FILE
from medseg.config import TrainConfig
from medseg.errors import DataError, NonFiniteLossError, OutOfMemoryError
from medseg.models.adapter import Segmenter
from medseg.storage import Store, open_store
from medseg.training.checkpoint import Checkpoints, load
from medseg.training.history import TensorBoardLog
from medseg.training.memory import naming_memory_failures
from medseg.training.trainer import Trainer, Validation
from tests.training.memory import MIB, anew, use

STEPS = 5


class BrightIsForeground(Dataset[dict[str, torch.Tensor]]):
    """Pictures whose class is the sign of their intensity; ``killed_at`` ends the process there."""

    def __init__(self, scale: float = 1.0, killed_at: int | None = None) -> None:
        self.scale, self.killed_at = scale, killed_at

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if index == self.killed_at:
            raise KeyboardInterrupt
        image = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(index))
        return {"image": image * self.scale, "reference": (image > 0).long()}


def trainer(store: Store, checkpoints: Checkpoints, log: TensorBoardLog, **settings: Any) -> Trainer:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))
    network = Segmenter(layers, encoder=("0", "1"))
    config = TrainConfig(**{"epochs": 4, "learning_rate": 0.1, "amp": False, **settings})

    def validate(network: nn.Module) -> Validation:
        item = BrightIsForeground()[999]
        return Validation(float((network(item["image"][None]).argmax(1) == item["reference"]).float().mean()))

    return Trainer(network, config, 2, STEPS, checkpoints, validate, log, "toy")


def train(store: Store, patches: Dataset[dict[str, torch.Tensor]], **settings: Any) -> dict[str, Any]:
    with Checkpoints(store) as checkpoints, TensorBoardLog() as log:
        return trainer(store, checkpoints, log, **settings).fit(patches)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def test_training_learns_and_leaves_its_course(store: Store) -> None:
    best = train(store, BrightIsForeground())
    assert best["validation_dice"] > 0.9
    rows = store.get_bytes("history.csv").decode().splitlines()
    assert rows[0].startswith("epoch,step,learning_rate,train_loss,validation_dice")
    assert [row.split(",")[:2] for row in rows[1:]] == [[str(e), str(e * STEPS)] for e in (1, 2, 3, 4)]
    assert any(item.key.startswith("tensorboard/events") for item in store.list())


@pytest.mark.parametrize("frozen_epochs", [0, 2, 3])
@pytest.mark.parametrize("killed_at", [23, 30])
def test_a_killed_training_ends_with_the_same_weights(
    tmp_path: Path, store: Store, killed_at: int, frozen_epochs: int
) -> None:
    """Killed within the third epoch, and after it: while the encoder is frozen and since it thawed."""
    encoder = {"encoder": {"frozen_epochs": frozen_epochs, "learning_rate_factor": 0.5}}
    whole = train(store, BrightIsForeground(), **encoder)
    broken = open_store(str(tmp_path / "broken"))
    often = encoder | {"checkpoint_minutes": 1e-9}  # within the epoch too
    with pytest.raises(KeyboardInterrupt):
        train(broken, BrightIsForeground(killed_at=killed_at), **often)
    state = load(broken, CHECKPOINT_LAST_FILE)
    assert state is not None
    assert 0 < state["step"] < 4 * STEPS
    again = train(broken, BrightIsForeground(), **often)
    for name, weight in whole["network"].items():
        torch.testing.assert_close(again["network"][name], weight, rtol=0, atol=0)


class Heavy(BrightIsForeground):
    """Takes 200 MiB for a moment."""

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        use(200)
        return super().__getitem__(index)


@anew
def test_peak_memory_is_that_of_the_session_that_used_most(store: Store) -> None:
    """The second session finds a training that is finished, and the first one's peak in its checkpoint."""
    with Checkpoints(store) as checkpoints, TensorBoardLog() as log:
        first = trainer(store, checkpoints, log, epochs=1)
        before = first.peak_bytes
        first.fit(Heavy())
    peak_bytes = first.peak_bytes
    assert peak_bytes > before + 150 * MIB
    with Checkpoints(store) as checkpoints, TensorBoardLog() as log:
        second = trainer(store, checkpoints, log, epochs=1)
        assert second.peak_bytes < peak_bytes - 100 * MIB
        second.fit(BrightIsForeground(killed_at=0))
        assert second.peak_bytes == pytest.approx(peak_bytes, rel=0.01)


def test_a_finished_training_is_not_trained_again(store: Store) -> None:
    train(store, BrightIsForeground())
    train(store, BrightIsForeground(killed_at=0))


def test_a_budget_in_minutes_ends_training_and_still_validates(store: Store) -> None:
    best = train(store, BrightIsForeground(), epochs=10**6, max_minutes=1 / 60)
    assert best["epoch"] < 10**6
    assert best["validation_dice"] > 0.9


def test_patience_ends_training(store: Store) -> None:
    train(store, BrightIsForeground(), epochs=1000, early_stopping_patience=3)
    assert len(store.get_bytes("history.csv").splitlines()) < 1000


def test_a_loss_that_is_not_finite_names_step_and_mend(store: Store) -> None:
    with pytest.raises(NonFiniteLossError, match=r"the loss became (nan|inf) at step 1 .*lower train.learning_rate"):
        train(store, BrightIsForeground(scale=float("inf")))


def _ask_for_too_much() -> None:
    torch.empty(2**58, dtype=torch.uint8)


def _python_runs_out() -> None:
    bytearray(2**62)


@pytest.mark.parametrize("allocate", [_ask_for_too_much, _python_runs_out])
def test_memory_that_is_not_there_is_named(allocate: Callable[[], None]) -> None:
    with pytest.raises(OutOfMemoryError, match=r"out of memory .*lower train\.batch_size"), naming_memory_failures():
        allocate()


def test_other_runtime_errors_are_not_called_memory() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"), naming_memory_failures():
        raise RuntimeError("size mismatch")


def test_a_damaged_checkpoint_is_named(store: Store) -> None:
    store.put_bytes(CHECKPOINT_LAST_FILE, b"half a file")
    with pytest.raises(DataError, match=r"checkpoint_last\.pt: not a readable checkpoint"):
        train(store, BrightIsForeground())
