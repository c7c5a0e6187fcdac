"""What models say of their encoders and of published weights is true of their networks."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import timm
import torch
import torchvision
from monai.networks.nets.swin_unetr import SwinTransformer
from segmentation_models_pytorch.encoders import get_encoder
from transformers import BeitConfig, BeitForImageClassification, SamConfig, SamModel

from medseg.config import load_recipe
from medseg.errors import RecipeError
from medseg.models import registry
from medseg.models.adapter import Segmenter
from medseg.models.pretrained import Shape, load_pretrained
from medseg.models.specs import MODELS, NO_WEIGHTS, ModelSpec
from medseg.models.weights import Source, models_with_weights, published, renames, source_of

LARGE = 60  # million parameters: as a network without values takes long to make, too
CHANNELS = 2  # fits no published file


def _marked(spec: ModelSpec) -> Any:
    marks = pytest.mark.slow if (spec.parameters_millions or 0) > LARGE else ()
    return pytest.param(spec, id=spec.name, marks=marks)


SPECS = [_marked(spec) for spec in MODELS if spec.extra is None]
WITH_ENCODER = [_marked(spec) for spec in MODELS if spec.encoder]
WITH_WEIGHTS = [_marked(spec) for spec in MODELS if spec.name in models_with_weights()]


@pytest.fixture(autouse=True)
def without_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked for the internet")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@cache
def network(name: str) -> Segmenter:
    """The full network, without values."""
    with torch.device("meta"):
        return registry.build(registry.default_unit(name), CHANNELS, 2).to("meta")


def file_at(place: str) -> Mapping[str, torch.Tensor]:
    """What the published file holds, by the class that its publisher saves: names and shapes alone."""
    owner, _, name = place.rpartition("/")
    with torch.device("meta" if owner != "smp-hub" else "cpu"):  # smp's encoders read values while they are built
        return _publishers_model(owner, name).state_dict()


def _publishers_model(owner: str, name: str) -> Any:
    if owner == "smp-hub":
        return get_encoder(name.removesuffix(".imagenet"), weights=None).to("meta")
    if owner == "timm":
        return timm.create_model(name)
    if owner == "https://download.pytorch.org/models":
        return torchvision.models.get_model(name.partition("-")[0])
    if name == "beit-base-patch16-224-pt22k-ft22k":
        return BeitForImageClassification(BeitConfig(use_relative_position_bias=True, num_labels=21841))
    if name == "sam-vit-base":
        return SamModel(SamConfig())
    assert name == "model_swinvit.pt"
    with torch.device("cpu"):  # MONAI reads values too
        swin = SwinTransformer(1, 48, (7, 7, 7), (2, 2, 2), (2, 2, 2, 2), (3, 6, 12, 24)).to("meta")
    return torch.nn.DataParallel(swin)


@pytest.mark.parametrize("spec", SPECS)
def test_a_network_is_built_without_internet(spec: ModelSpec) -> None:
    assert list(network(spec.name).parameters())


@pytest.mark.parametrize("spec", WITH_ENCODER)
def test_an_encoder_lies_where_the_model_says(spec: ModelSpec) -> None:
    assert network(spec.name).encoder_parameters()
    assert len(network(spec.name).encoder_modules()) == len(spec.encoder)


@pytest.mark.parametrize("spec", WITH_WEIGHTS)
def test_published_weights_fill_the_whole_encoder(spec: ModelSpec) -> None:
    state = file_at(published(registry.default_unit(spec.name), spec).place)
    shape = Shape(spec.dims, CHANNELS, 2)
    loaded = load_pretrained(network(spec.name), state, shape, spec.name, renames(spec.name))
    assert not [name for name in loaded.random if name.startswith(spec.encoder)]
    assert len(loaded.input) == 1


@pytest.mark.parametrize("spec", SPECS)
def test_a_model_has_a_licence_of_weights_and_an_encoder_if_it_has_weights(spec: ModelSpec) -> None:
    has_weights = spec.name in models_with_weights()
    assert has_weights == (spec.weights_license != NO_WEIGHTS)
    assert not has_weights or spec.encoder
    if has_weights and (stated := published(registry.default_unit(spec.name), spec).license):
        assert stated.lower() == spec.weights_license.lower()


def test_weights_follow_the_encoder_that_is_configured() -> None:
    spec = registry.find("unet")
    places = {
        encoder: published(registry.default_unit("unet", {"encoder": encoder}), spec).place
        for encoder in ("resnet50", "mit_b2", "tu-convnext_tiny.fb_in1k")
    }
    assert places == {
        "resnet50": "smp-hub/resnet50.imagenet",
        "mit_b2": "smp-hub/mit_b2.imagenet",
        "tu-convnext_tiny.fb_in1k": "timm/convnext_tiny.fb_in1k",
    }
    assert "non-commercial" in str(published(registry.default_unit("unet", {"encoder": "mit_b2"}), spec).license)


@pytest.mark.parametrize(
    ("place", "license_"),
    [("smp-hub/resnet18.imagenet", "BSD-3-Clause"), ("smp-hub/resnet18.ssl", None), ("owner/resnet18.imagenet", None)],
)
def test_a_licence_is_known_for_what_the_table_lists_alone(place: str, license_: str | None) -> None:
    source = source_of(registry.default_unit("unet", weights=place), registry.find("unet"))
    assert source == Source(place, None, license_)


def recipe(**settings: str) -> Any:
    return load_recipe(None, ["dataset.name=toy", *(f"{key}={value}" for key, value in settings.items())])


@pytest.mark.parametrize(
    ("models", "says"),
    [
        ("[unet3d]", r"unet3d: weights = imagenet: nobody has published any .*set: \{weights: none\}.* some: unet, "),
        ("[nnunet]", r"nnunet: weights = imagenet: nnunetv2 starts from random weights"),
        ("[{model: unet, set: {network.encoder: dpn92}}]", "unet: .* for it with the encoder dpn92; give it"),
        (
            "[{model: unet, set: {network.encoder: tu-nonsense}}]",
            "unet: .* with the encoder tu-nonsense; give it",
        ),
    ],
)
def test_weights_that_nobody_published_stop_the_recipe(models: str, says: str) -> None:
    with pytest.raises(RecipeError, match=f"toy.yaml: models: {says}"):
        registry.check_models(recipe(models=models, weights="imagenet"), "toy.yaml")


def test_an_encoder_of_random_weights_is_not_frozen() -> None:
    frozen = {"train": "{encoder: {frozen_epochs: all}}"}
    with pytest.raises(RecipeError, match=r"unet: train\.encoder\.frozen_epochs = all would keep random weights"):
        registry.check_models(recipe(models="[unet3d, unet]", **frozen), "toy.yaml")
    registry.check_models(recipe(models="[unet3d, {model: unet, set: {weights: imagenet}}]", **frozen), "toy.yaml")


@pytest.mark.parametrize(
    "weights", ["none", "imagenet", "smp-hub/resnet34.imagenet", "s3://b/w.pt", "./a/w.safetensors"]
)
def test_weights_may_be(weights: str) -> None:
    assert recipe(weights=weights).weights == weights


@pytest.mark.parametrize("weights", ["imagenett", "s3://bucket/weights", "a/b/c", "resnet34"])
def test_weights_may_not_be(weights: str) -> None:
    with pytest.raises(RecipeError, match=f"weights = '{weights}': must be none, imagenet, a Hugging Face repository"):
        recipe(weights=weights)
