"""Operations and memory of networks: toys counted on paper, published figures, and a step that really runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from medseg.config import UnitConfig
from medseg.errors import RecipeError
from medseg.models import registry
from medseg.models.adapter import Segmenter
from medseg.models.operations import multiply_adds, patch_multiply_adds
from medseg.models.profile import Profile, prediction_bytes, profile, training_bytes
from medseg.training.losses import dice_cross_entropy

FLOAT = 4  # bytes


def meta(*shape: int) -> torch.Tensor:
    return torch.empty(*shape, device="meta")


def two_layers() -> Segmenter:
    """8 x 8 pixels: one channel, then two, then one."""
    layers = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1))
    return Segmenter(layers).to("meta")


def profile_of(unit: UnitConfig, *size: int) -> Profile:
    return profile(unit, 1, 2, size, dice_cross_entropy())


def with_train(unit: UnitConfig, **changes: object) -> UnitConfig:
    return unit.model_copy(update={"train": unit.train.model_copy(update=changes)})


def test_a_convolution_multiplies_its_window_at_every_pixel() -> None:
    network = Segmenter(nn.Conv2d(1, 2, 3, padding=1)).to("meta")
    assert multiply_adds(network, meta(1, 1, 8, 8)) == 2 * 9 * 64


def test_a_network_in_training_is_counted_without_being_touched() -> None:
    """Weights, mode and random numbers stay as they are."""
    network = Segmenter(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Dropout())).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.get_rng_state()
    assert patch_multiply_adds(network, 1, (8, 8)) == 2 * 9 * 64
    assert network.training
    assert torch.equal(torch.get_rng_state(), random)
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


def test_a_detector_in_training_is_counted_with_all_its_detections_and_keeps_its_own() -> None:
    class Detector(nn.Conv2d):
        repeats = 1

        def detect_most(self) -> None:
            self.repeats = 5

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            for _ in range(self.repeats):
                image = super().forward(image)
            return image

    detector = Detector(1, 1, 3, padding=1)
    assert patch_multiply_adds(Segmenter(detector), 1, (8, 8)) == 5 * 9 * 64
    assert detector.repeats == 1


def test_attention_is_two_products_of_tokens_with_tokens() -> None:
    class Attention(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return nn.functional.scaled_dot_product_attention(image, image, image)

    assert multiply_adds(Segmenter(Attention()), meta(1, 1, 4, 8)) == 2 * 4 * 4 * 8


@pytest.mark.parametrize(
    ("name", "billions"), [("unet", 7.7), ("deeplabv3", 27.2), ("segformer", 1.7), ("attentionunet", 42.2)]
)
def test_multiply_adds_are_those_of_the_reference_table(name: str, billions: float) -> None:
    network = registry.build(registry.default_unit(name), 1, 2).to("meta")
    assert multiply_adds(network, meta(1, 1, 256, 256)) / 1e9 == pytest.approx(billions, rel=0.03)


def test_between_two_layers_one_result_is_kept_although_both_need_it() -> None:
    mean = lambda logits, _: logits.mean()  # noqa: E731, its backward pass needs no values
    kept, _ = training_bytes(two_layers(), meta(1, 1, 8, 8), meta(1, 1, 8, 8), mean)
    losses = 3 * FLOAT  # of each head, side by side, their sum
    assert 2 * 64 * FLOAT <= kept <= 2 * 64 * FLOAT + losses


def test_prediction_holds_an_image_and_the_two_largest_neighbours() -> None:
    assert prediction_bytes(two_layers(), meta(1, 1, 8, 8)) == (1 + 2 + 2) * 64 * FLOAT


def test_activations_grow_with_the_batch_and_weights_do_not() -> None:
    unit = registry.default_unit("unet3d", {"channels": [4, 8]})
    one, four = (profile_of(with_train(unit, batch_size=size), 16, 16, 16).memory for size in (1, 4))
    assert four.activations == pytest.approx(4 * one.activations, rel=0.01)
    assert (four.weights, four.gradients, four.optimizer) == (one.weights, one.gradients, one.optimizer)
    assert four.inference == one.inference


@pytest.mark.parametrize(("changes", "states"), [({"momentum": 0.0}, 0), ({}, 1), ({"optimizer": "adamw"}, 2)])
def test_the_optimizer_keeps_so_many_values_of_each_weight(changes: dict[str, object], states: int) -> None:
    unit = with_train(registry.default_unit("unet3d", {"channels": [4, 8]}), **changes)
    figures = profile_of(unit, 16, 16, 16)
    assert figures.memory.gradients == FLOAT * figures.parameters
    assert figures.memory.optimizer == states * figures.memory.gradients


def test_a_detector_is_counted_with_all_its_detections_whatever_the_image() -> None:
    unit = registry.default_unit("maskrcnn", {"encoder": "resnet18", "proposals": 20, "detections": 4})
    network = registry.build(unit, 1, 2)
    network.network.detect_most()
    operations = {multiply_adds(network, image) for image in (torch.zeros(1, 1, 64, 64), torch.randn(1, 1, 64, 64))}
    assert operations == {profile_of(with_train(unit, batch_size=2), 64, 64).multiply_adds}


def test_a_size_that_is_too_small_gets_the_nearest_one() -> None:
    unit = registry.default_unit("unet3d")
    with pytest.raises(RecipeError, match=r"unet3d: a size of 8 16 8 is too small.* 32; the nearest .* is 8 32 8$"):
        profile_of(unit, 8, 16, 8)
    with pytest.raises(RecipeError, match=r"a size of 64 64 does not fit a 3D model.* 3 numbers, e.g. 96 96 96"):
        profile_of(unit, 64, 64)


TRAINING = """
import re, threading, time, torch
from medseg.models import registry
from medseg.models.profile import profile
from medseg.training.losses import dice_cross_entropy
from medseg.training.optimization import make_optimizer

def allocated():  # pages of libraries come and go with the memory that other processes leave
    return 1024 * int(re.search(r"RssAnon:\\s+(\\d+) kB", open("/proc/self/status").read())[1])

def watch():
    while True:
        seen.append(allocated())
        time.sleep(0.0005)

unit, size = registry.default_unit("segresnet"), (32, 48, 48)
estimate = profile(unit, 1, 2, size, dice_cross_entropy()).memory.training
torch.nn.Conv3d(1, 1, 3)(torch.zeros(1, 1, 8, 8, 8)).sum().backward()  # libraries take their share
before, seen = allocated(), []
threading.Thread(target=watch, daemon=True).start()
network = registry.build(unit, 1, 2)
optimizer = make_optimizer(network.parameters(), unit.train)
images, references = torch.randn(2, 1, *size), torch.randint(0, 2, (2, 1, *size))
for _ in range(2):
    loss = network.loss(images, references, dice_cross_entropy())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print((max(seen) - before) / estimate)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the process as Linux tells it")
def test_a_real_training_takes_what_was_estimated_within_a_quarter() -> None:
    # freed memory goes back to the system at once, else the C library keeps up to as much again
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**20), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", TRAINING], env=environment, capture_output=True, text=True)
    assert 0.8 < float(run.stdout) < 1.25, run.stderr
