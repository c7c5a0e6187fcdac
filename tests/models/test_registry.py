"""From names to settings, and what is said about names and settings that cannot work."""

from __future__ import annotations

import contextlib

import pytest

from medseg.artifacts import Plan
from medseg.config import load_recipe
from medseg.errors import RecipeError
from medseg.models import registry


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(RecipeError, match=r"no model is called 'unet3'. Nearest: unet3d, unet.* Choices: unet, "):
        registry.find("unet3")


def test_a_3d_model_on_2d_data_gets_the_models_that_fit() -> None:
    with pytest.raises(RecipeError, match="unet3d is a 3D model .* choices: unet, .*segformer"):
        registry.check_dimensions(["unet", "unet3d"], 2, "toy")


def test_settings_go_from_common_to_particular() -> None:
    settings = ["dataset.name=toy", "models=[{model: segformer, set: {train.epochs: 2}}]", "train.epochs=5"]
    unit = registry.unit_config(load_recipe(None, settings), "segformer")
    assert (unit.train.epochs, unit.train.learning_rate, unit.train.momentum) == (2, 5e-4, 0.99)
    recipe_first = registry.unit_config(load_recipe(None, [*settings, "train.learning_rate=0.1"]), "segformer")
    assert recipe_first.train.learning_rate == 0.1


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("{train.epocs: 2}", "train.epocs = 2: unknown key"),
        ("{epochs: 2}", "must start with weights, network"),
    ],
)
def test_a_wrong_setting_of_a_model_names_model_and_key(setting: str, says: str) -> None:
    recipe = load_recipe(None, ["dataset.name=toy", f"models=[{{model: unet, set: {setting}}}]"])
    with pytest.raises(RecipeError) as error:
        registry.check_models(recipe, "toy.yaml")
    assert "unet" in str(error.value)
    assert says in str(error.value)


def test_a_network_that_cannot_be_built_names_its_settings() -> None:
    recipe = load_recipe(None, ["dataset.name=toy", "models=[{model: unet, set: {network.encoder: resnet35}}]"])
    with pytest.raises(RecipeError, match="unet: network .*encoder='resnet35'.* cannot be built"):
        registry.build(registry.unit_config(recipe, "unet"), 1, 2)


PLAN = Plan(
    dataset_uri="d", dataset_version="", labels={"background": 0, "a": 1}, channels=1, dimensions=3, modality="mr",
    slice_axis=2, patch_2d=(8, 16), patch_3d=(8, 16, 8), fingerprint={},
)  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (
            "models=[unet3d]",
            r"unet3d: a patch of 8 x 16 x 8 is too small.* 32; set preprocess.patch_3d to \[8, 32, 8\]",
        ),
        ("models=[{model: unet3d, set: {network.channels: [8, 16, 32]}}]", None),
        (
            "models=[swinunetr]",
            r"swinunetr: a patch of 8 x 16 x 8 is too small.* 64; set preprocess.patch_3d to \[8, 64, 8\]",
        ),
    ],
)
def test_a_patch_that_a_model_cannot_take_gets_the_nearest_one_that_it_can(setting: str, says: str | None) -> None:
    recipe = load_recipe(None, ["dataset.name=toy", setting])
    unit = registry.unit_config(recipe, recipe.models[0].model)
    with pytest.raises(RecipeError, match=says) if says else contextlib.nullcontext():
        registry.check_patches(unit, PLAN)


def test_batch_normalisation_of_one_value_needs_two_samples() -> None:
    recipe = load_recipe(None, ["dataset.name=toy", "models=[deeplabv3]", "train.batch_size=1"])
    with pytest.raises(RecipeError, match=r"deeplabv3: train.batch_size = 1 is too small.* needs 2"):
        registry.check_patches(registry.unit_config(recipe, "deeplabv3"), PLAN)


def test_another_optimizer_needs_its_own_learning_rate() -> None:
    settings = ["dataset.name=toy", "models=[unet, segformer]", "train.optimizer=adamw"]
    with pytest.raises(RecipeError, match=r"unet.*adamw needs train.learning_rate beside it.* 0.05 is for sgd"):
        registry.check_models(load_recipe(None, settings), "toy.yaml")
    registry.check_models(load_recipe(None, [*settings, "train.learning_rate=0.001"]), "toy.yaml")


@pytest.mark.parametrize(
    ("model", "setting"),
    [
        ("unet", "network.encodr: resnet18"),
        ("unet", "network.encoder: resnet999"),
        ("unet-paper", "network.channels: 8"),
        ("attentionunet", "network.channels: [1]"),
        ("swinunet", "network.window: 0"),
    ],
)
def test_a_network_that_cannot_be_built_stops_before_any_data_is_read(model: str, setting: str) -> None:
    recipe = load_recipe(None, ["dataset.name=toy", f"models=[{{model: {model}, set: {{{setting}}}}}]"])
    with pytest.raises(RecipeError, match=f"toy.yaml: models: {model}: network .* cannot be built: .*its settings are"):
        registry.check_models(recipe, "toy.yaml")
