"""Networks of MONAI keep the common promises, and those that are added here to MONAI's own."""

from __future__ import annotations

import pytest
import torch
from monai.networks import nets
from torch import nn

from medseg.models import registry
from medseg.models.adapter import Supervised
from medseg.models.monai_networks import build_dynunet, build_mednext, build_vnet
from medseg.models.monai_transformers import AnyGridEmbedding, build_unetr
from medseg.models.specs import MODELS
from tests.models.base import ZOO, ModelTests


class TestResUnet(ModelTests):
    name = "resunet"
    millions = 25.97
    small = {"channels": [16, 32, 64, 128]}


class TestAttentionUnet(ModelTests):
    name = "attentionunet"
    millions = 31.74
    small = {"channels": [16, 32, 64, 128]}


class TestUnet3d(ModelTests):
    name = "unet3d"
    millions = 4.81


class TestAttentionUnet3d(ModelTests):
    name = "attentionunet3d"
    millions = 5.91
    small = {"channels": [8, 16, 32, 64]}


class TestVNet(ModelTests):
    name = "vnet"
    millions = 45.60
    learns_at = (16, 32, 16)


class TestDynUnet(ModelTests):
    name = "dynunet"
    millions = 31.19
    small = {"filters": [16, 32, 64, 128]}


class TestResUnet3d(ModelTests):
    name = "resunet3d"
    millions = 31.42
    small = {"filters": [16, 32, 64, 128]}


class TestSegResNet(ModelTests):
    name = "segresnet"
    millions = 4.70
    small = {"initial_filters": 8}


class TestMedNeXt(ModelTests):
    name = "mednext"
    millions = 5.55
    learns_at = (16, 32, 16)


class TestUnetr(ModelTests):
    name = "unetr"
    millions = 92.8
    small = {"hidden_size": 96, "mlp_size": 192, "heads": 4}
    learns_at = (32, 32, 32)


class TestSwinUnetr(ModelTests):
    name = "swinunetr"
    millions = 62.19
    small = {"feature_size": 12, "window_size": 4}
    learns_at = (24, 48, 24)
    learns_in = 150


@pytest.mark.parametrize("name", [spec.name for spec in MODELS if spec.library == "MONAI"])
def test_the_smallest_size_takes_one_sample_and_a_smaller_one_does_not(name: str) -> None:
    spec, tests = registry.find(name), ZOO[name]()
    network, settings = tests.network().train(), tests.unit().network
    multiple, smallest = spec.size.multiple_for(settings), spec.size.smallest_for(settings)
    others = [multiple] * (spec.dims - 1)
    assert network(torch.zeros(1, 1, smallest, *others)).shape == (1, 2, smallest, *others)
    if smallest > multiple:
        with pytest.raises(ValueError, match="Expected more than 1"):
            network(torch.zeros(1, 1, multiple, *others))


@pytest.mark.parametrize(
    ("network", "weights"),
    [
        # nnU-Net leaves out the coarsest level of the decoder, here that of 1/8
        (build_dynunet(1, 2, filters=[2, 4, 4, 4, 4], residual=False, deep_supervision=True), (1 / 2, 1 / 4)),
        (build_mednext(1, 2, variant="S", kernel_size=3, deep_supervision=True), (1 / 2, 1 / 4, 1 / 8, 1 / 16)),
    ],
)
def test_coarser_heads_weigh_half_as_much_in_training_alone(network: nn.Module, weights: tuple[float, ...]) -> None:
    image = torch.zeros(1, 1, 32, 16, 16)
    output = network.train()(image)
    assert isinstance(output, Supervised)
    assert tuple(weight for weight, _ in output.auxiliary) == weights
    assert isinstance(network.eval()(image), torch.Tensor)


def test_mednext_l_has_the_parameters_of_its_paper() -> None:
    with torch.device("meta"):
        network = build_mednext(1, 2, variant="L", kernel_size=3, deep_supervision=True)
    assert sum(weight.numel() for weight in network.parameters()) / 1e6 == pytest.approx(61.7, rel=0.005)


def test_vnet_with_two_channels_is_that_of_monai() -> None:
    network, theirs = build_vnet(2, 3, dropout=0.5).eval(), nets.VNet(in_channels=2, out_channels=3).eval()
    theirs.load_state_dict(network.state_dict())
    image = torch.randn(1, 2, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network(image), theirs(image))


def test_without_dropout_vnet_gives_the_same_output_twice() -> None:
    network, image = build_vnet(1, 2, dropout=0.0).train(), torch.ones(1, 1, 32, 16, 16)
    torch.testing.assert_close(network(image), network(image))


def test_unetr_at_its_own_size_is_that_of_monai() -> None:
    settings = {"feature_size": 4, "hidden_size": 24, "mlp_size": 24, "heads": 2, "dropout": 0.0}
    network = build_unetr(1, 2, image_size=[32, 16, 32], **settings).eval()
    theirs = nets.UNETR(1, 2, img_size=[32, 16, 32], feature_size=4, hidden_size=24, mlp_dim=24, num_heads=2).eval()
    missing, unexpected = theirs.load_state_dict(network.state_dict(), strict=False)
    assert not unexpected
    assert all("norm_cross_attn" in name for name in missing)
    image = torch.randn(1, 1, 32, 16, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network(image), theirs(image))


def test_position_embeddings_are_interpolated_between_those_learned() -> None:
    options = {"patch_size": 1, "hidden_size": 1, "num_heads": 1}
    embedding = AnyGridEmbedding(grid=(2, 1, 1), in_channels=1, img_size=(2, 1, 1), **options).eval()
    nn.init.zeros_(embedding.patch_embeddings.bias)
    embedding.position_embeddings.data = torch.tensor([0.0, 1.0]).reshape(1, 2, 1)
    positions = embedding(torch.zeros(1, 1, 4, 1, 1)).flatten()
    torch.testing.assert_close(positions, torch.tensor([0.0, 0.25, 0.75, 1.0]))
