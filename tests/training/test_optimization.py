"""The learning rate over the budget, and when to stop."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medseg.config import TrainConfig
from medseg.training.early_stopping import EarlyStopping
from medseg.training.losses import dice_cross_entropy
from medseg.training.optimization import learning_rate, make_optimizer

COSINE = TrainConfig(learning_rate=1.0, schedule="cosine", warmup_fraction=0.1)
POLYNOMIAL = TrainConfig(learning_rate=1.0, schedule="polynomial", warmup_fraction=0)


@pytest.mark.parametrize(("progress", "rate"), [(0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0)])
def test_cosine_rises_then_falls(progress: float, rate: float) -> None:
    assert learning_rate(COSINE, progress) == pytest.approx(rate)


@pytest.mark.parametrize(("progress", "rate"), [(0.0, 1.0), (0.5, 0.5**0.9), (1.0, 0.0)])
def test_polynomial_falls_from_the_start(progress: float, rate: float) -> None:
    assert learning_rate(POLYNOMIAL, progress) == pytest.approx(rate)


@given(st.floats(0, 1), st.sampled_from([COSINE, POLYNOMIAL]))
def test_the_rate_stays_between_0_and_its_peak(progress: float, config: TrainConfig) -> None:
    assert 0 <= learning_rate(config, progress) <= 1


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_both_optimizers_go_downhill(name: str) -> None:
    weight = torch.nn.Parameter(torch.tensor(3.0))
    optimizer = make_optimizer([weight], TrainConfig(optimizer=name, learning_rate=0.01, momentum=0.9, weight_decay=0))
    for _ in range(20):
        optimizer.zero_grad()
        weight.square().backward()
        optimizer.step()
    assert abs(weight.item()) < 3.0


def test_two_validations_without_improvement_stop_at_patience_2() -> None:
    stopping = EarlyStopping(patience=2)
    assert [stopping.update(score) for score in (0.5, 0.4, 0.6, 0.6)] == [True, False, True, False]
    assert not stopping.should_stop
    stopping.update(0.1)
    assert stopping.should_stop


def test_without_patience_training_never_stops_early() -> None:
    stopping = EarlyStopping(patience=None)
    for _ in range(100):
        stopping.update(0.0)
    assert not stopping.should_stop


def test_a_sure_and_right_answer_costs_nothing_and_a_wrong_one_much() -> None:
    reference = torch.tensor([[[[0, 1], [1, 0]]]])
    right = torch.nn.functional.one_hot(reference[:, 0], 2).movedim(-1, 1) * 40.0 - 20.0
    assert dice_cross_entropy()(right, reference).item() == pytest.approx(0, abs=1e-4)
    assert dice_cross_entropy()(-right, reference).item() > 10
