"""A frozen encoder keeps what it was given, thaws when it should, and may learn more slowly than the rest."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medseg.config import TrainConfig
from medseg.models.adapter import Segmenter
from medseg.training.freezing import Freezing
from medseg.training.optimization import make_optimizer, parameter_groups, set_learning_rate

DECAYING = TrainConfig(optimizer="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.5)


def network() -> Segmenter:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.5))
    encoder[0].bias.requires_grad_(False)
    return Segmenter(nn.ModuleDict({"encoder": encoder, "head": nn.Conv2d(2, 2, 1)}), encoder=("encoder",))


def learn(segmenter: Segmenter, config: TrainConfig = DECAYING, frozen_epochs: int | str = 0, epochs: int = 3) -> None:
    """One step per epoch."""
    freezing = Freezing(segmenter, frozen_epochs)  # type: ignore[arg-type]
    optimizer = make_optimizer(parameter_groups(segmenter, config), config)
    set_learning_rate(optimizer, config.learning_rate)
    for epoch in range(epochs):
        segmenter.train()
        freezing.apply(epoch)
        image = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(epoch))
        optimizer.zero_grad()
        segmenter.network["head"](segmenter.network["encoder"](image)).square().mean().backward()
        nn.utils.clip_grad_norm_(segmenter.parameters(), 1.0)
        optimizer.step()


def changed(segmenter: Segmenter) -> set[str]:
    before = network().network.state_dict()
    return {name for name, value in segmenter.network.state_dict().items() if not torch.equal(value, before[name])}


STATISTICS = {"encoder.1.running_mean", "encoder.1.running_var", "encoder.1.num_batches_tracked"}
TRAINED = {"encoder.0.weight", "encoder.1.weight", "encoder.1.bias"}
HEAD = {"head.weight", "head.bias"}
ALL = HEAD | STATISTICS | TRAINED


@pytest.mark.parametrize(("frozen_epochs", "expected"), [("all", HEAD), (3, HEAD), (2, ALL), (0, ALL)])
def test_weights_and_statistics_stay_as_long_as_the_encoder_is_frozen(
    frozen_epochs: int | str, expected: set[str]
) -> None:
    segmenter = network()
    learn(segmenter, frozen_epochs=frozen_epochs)
    assert changed(segmenter) == expected


def test_a_frozen_encoder_drops_no_features() -> None:
    segmenter = network()
    segmenter.train()
    Freezing(segmenter, 1).apply(0)
    assert not segmenter.network["encoder"][2].training
    assert segmenter.network["head"].training


def test_the_encoder_moves_by_a_part_of_what_it_would() -> None:
    moves = []
    for factor in (1.0, 0.25):
        segmenter = network()
        config = TrainConfig(optimizer="sgd", learning_rate=0.1, momentum=0, encoder={"learning_rate_factor": factor})
        learn(segmenter, config, epochs=1)
        before = network().network.state_dict()
        moves.append({name: segmenter.network.state_dict()[name] - before[name] for name in TRAINED | HEAD})
    for name in TRAINED:
        torch.testing.assert_close(moves[1][name], 0.25 * moves[0][name], rtol=1e-3, atol=1e-7)
    for name in HEAD:
        torch.testing.assert_close(moves[1][name], moves[0][name])


def test_a_network_without_an_encoder_has_nothing_to_freeze() -> None:
    segmenter = Segmenter(nn.Conv2d(1, 2, 1))
    Freezing(segmenter, "all").apply(0)
    assert all(parameter.requires_grad for parameter in segmenter.parameters())
    assert [len(group["params"]) for group in parameter_groups(segmenter, DECAYING)] == [2]
