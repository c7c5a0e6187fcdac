"""Networks of segmentation-models-pytorch keep the common promises, and their rules of sizes and batches are true."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from medseg.models import registry, smp
from medseg.training.losses import dice_cross_entropy
from tests.models.base import ModelTests

RESNET18: dict[str, Any] = {"encoder": "resnet18"}


class TestUnet(ModelTests):
    name = "unet"
    millions = 24.43
    small = RESNET18


class TestUnetpp(ModelTests):
    name = "unetpp"
    millions = 26.07
    small = RESNET18


class TestDensenet(ModelTests):
    name = "densenet"
    millions = 13.60
    learns_at = (64, 64)


class TestDeepLabv3(ModelTests):
    name = "deeplabv3"
    millions = 26.00
    small = RESNET18


class TestDeepLabv3Plus(ModelTests):
    name = "deeplabv3plus"
    millions = 22.43  # no reference: as smp 0.6.0 counts
    small = RESNET18


class TestPspnet(ModelTests):
    name = "pspnet"
    millions = 21.44
    small = RESNET18


class TestFpn(ModelTests):
    name = "fpn"
    millions = 23.15  # no reference: as smp 0.6.0 counts
    small = RESNET18


class TestSegformer(ModelTests):
    name = "segformer"
    millions = 3.71


class TestSegformerB0(ModelTests):
    name = "segformer-b0"
    millions = 3.71


class TestSegformerB4(ModelTests):
    """Learns as B1: as wide as B4, with 8 instead of 41 blocks."""

    name = "segformer-b4"
    millions = 61.4  # B4's encoder of 60.8 M in the paper, another decoder
    small = {"encoder": "mit_b1"}


class TestSegformerB5(ModelTests):
    """Learns as B2: as wide as B5, with 16 instead of 52 blocks."""

    name = "segformer-b5"
    millions = 82.0  # B5's encoder of 81.4 M in the paper, another decoder
    small = {"encoder": "mit_b2"}


class TestUpernetConvnextSmall(ModelTests):
    name = "upernet-convnext-small"
    millions = 58.68  # no reference: as smp 0.6.0 counts
    small = {"encoder": "tu-convnext_atto", "decoder_channels": 64}


class TestUpernetConvnextBase(ModelTests):
    name = "upernet-convnext-base"
    millions = 97.70
    small = {"encoder": "tu-convnext_femto", "decoder_channels": 64}


class TestUpernetConvnextLarge(ModelTests):
    name = "upernet-convnext-large"
    millions = 208.2  # no reference: as smp 0.6.0 counts
    small = {"encoder": "tu-convnext_pico", "decoder_channels": 64}


class TestDpt(ModelTests):
    name = "dpt"
    millions = 137.4
    small = {
        "encoder": "tu-vit_tiny_patch16_224",
        "decoder_intermediate_channels": [32, 64, 128, 128],
        "decoder_fusion_channels": 64,
    }


NEED_TWO = [TestDeepLabv3, TestDeepLabv3Plus, TestUpernetConvnextSmall]
NEED_TWO_VOXELS = [TestUnet, TestUnetpp, TestDensenet, TestPspnet, TestFpn, TestDpt]


def train_one_sample(model: ModelTests, length: int) -> None:
    image = torch.randn(1, 1, length, length)
    model.network().loss(image, torch.zeros_like(image), dice_cross_entropy())


@pytest.mark.parametrize("model", NEED_TWO)
def test_a_pooled_branch_cannot_normalise_one_sample(model: type[ModelTests]) -> None:
    assert registry.find(model.name).smallest_batch == 2
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        train_one_sample(model(), 128)


@pytest.mark.parametrize("model", NEED_TWO_VOXELS)
def test_half_the_smallest_size_leaves_one_voxel_to_normalise(model: type[ModelTests]) -> None:
    smallest = registry.find(model.name).size.smallest
    train_one_sample(model(), smallest)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        train_one_sample(model(), smallest // 2)


@pytest.mark.parametrize("size", [(30, 250), (224, 224), (230, 40)])
def test_position_embeddings_follow_the_size(size: tuple[int, int]) -> None:
    network = TestDpt().network().eval()
    with torch.no_grad():
        assert network(torch.randn(1, 1, *size)).shape == (1, 2, *size)


@pytest.mark.parametrize(
    ("model", "idle"), [(TestPspnet, {"layer3", "layer4"}), (TestDpt, {"model.norm", "model.head"})]
)
def test_parts_of_the_encoder_that_never_run_are_frozen(model: type[ModelTests], idle: set[str]) -> None:
    frozen = [name for name, weight in model().network().network.named_parameters() if not weight.requires_grad]
    assert {part for part in idle for name in frozen if name.startswith(f"encoder.{part}.")} == idle
    assert all(name.startswith(tuple(f"encoder.{part}." for part in idle)) for name in frozen)


@pytest.mark.parametrize("encoder", ["resnet18", "tu-convnext_atto"])
def test_a_misspelt_option_is_refused(encoder: str) -> None:
    with pytest.raises(TypeError, match="decoder_chanels"):
        smp.build(1, 2, "UPerNet", encoder, decoder_chanels=64)


@pytest.mark.parametrize("encoder", ["resnet18", "mit_b0", "tu-convnext_atto"])
def test_a_network_on_the_meta_device_has_no_values(encoder: str) -> None:
    with torch.device("meta"):
        network = smp.build(1, 2, "UPerNet", encoder)
        assert network(torch.zeros(2, 1, 64, 64)).is_meta
