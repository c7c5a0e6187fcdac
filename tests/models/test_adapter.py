"""Any size in, logits of that size out, and every head reaches the loss."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from medseg.models.adapter import Segmenter, Supervised


class Doubles(nn.Module):
    """Logits are twice the input; refuses sizes that are no multiple of ``multiple``."""

    def __init__(self, multiple: int) -> None:
        super().__init__()
        self.multiple = multiple

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        assert all(length % self.multiple == 0 for length in image.shape[2:])
        return 2 * image


class TwoHeads(nn.Module):
    """In training the main head says 1 everywhere, the other one 3 at half the size."""

    def forward(self, image: torch.Tensor) -> torch.Tensor | Supervised:
        main = torch.ones_like(image)
        return Supervised(main, ((0.5, 3 * functional.max_pool2d(main, 2)),)) if self.training else main


class CountsPixels(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image

    def own_loss(self, image: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        return reference.float().sum()


def mean(logits: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    return logits.mean()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=3), st.sampled_from([1, 8, 16]))
def test_what_is_padded_is_cropped_away(size: list[int], multiple: int) -> None:
    image = torch.randn(2, 3, *size)
    torch.testing.assert_close(Segmenter(Doubles(multiple), multiple)(image), 2 * image)


def test_smaller_logits_are_enlarged_linearly() -> None:
    halves = Segmenter(nn.AvgPool2d(2), 2)
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    torch.testing.assert_close(halves(ramp)[..., 1:-1], ramp[..., 1:-1])


def test_further_heads_count_by_their_weight_in_training_alone() -> None:
    network, image = Segmenter(TwoHeads(), 2), torch.zeros(1, 2, 7, 7)
    assert network.train().loss(image, image, mean).item() == pytest.approx(1 + 0.5 * 3)
    assert network.eval().loss(image, image, mean).item() == pytest.approx(1)
    assert network.train()(image).shape == image.shape


def test_a_detector_brings_its_own_loss() -> None:
    assert Segmenter(CountsPixels()).loss(torch.zeros(1, 1, 3, 3), torch.ones(1, 1, 3, 3), mean).item() == 9


def test_the_encoder_is_found_by_its_name_not_by_its_beginning() -> None:
    network = nn.ModuleDict({"encoder": nn.Linear(1, 1), "encoder_head": nn.Linear(1, 1)})
    segmenter = Segmenter(network, encoder=("encoder",))
    assert [weight is network["encoder"].weight for weight in segmenter.encoder_parameters()] == [True, False]
    assert segmenter.encoder_modules() == [network["encoder"]]
