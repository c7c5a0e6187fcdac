"""Every model of the registry keeps the same promises."""

from __future__ import annotations

import io

import pytest
import torch

from medseg.config import load_recipe
from medseg.errors import RecipeError
from medseg.models import registry

# parameters in millions at 1 channel and 2 classes, measured on the libraries' own classes
EXPECTED_MILLIONS = {"unet": 24.43, "deeplabv3": 26.00, "segformer": 3.71, "unet3d": 4.81, "segresnet": 4.70}


@pytest.fixture(params=registry.model_names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def build(name: str, channels: int = 1, classes: int = 2) -> torch.nn.Module:
    recipe = load_recipe(None, ["dataset.name=toy", f"models=[{name}]"])
    torch.manual_seed(0)
    return registry.build(registry.unit_config(recipe, name), channels, classes)


def picture(name: str, channels: int = 1, length: int = 40) -> torch.Tensor:
    size = (64, length) if registry.find(name).dimensions == 2 else (16, 24, length - 16)
    return torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("channels", "classes", "length"), [(1, 2, 40), (3, 5, 37)])
def test_logits_have_the_size_of_the_input_and_every_weight_learns(
    name: str, channels: int, classes: int, length: int
) -> None:
    network, image = build(name, channels, classes), picture(name, channels, length)
    logits = network(image)
    assert logits.shape == (2, classes, *image.shape[2:])
    logits.square().mean().backward()
    without = [key for key, weight in network.named_parameters() if weight.grad is None]
    assert not without


def test_saved_weights_give_the_same_output(name: str) -> None:
    network, again = build(name).eval(), build(name).eval()
    torch.nn.init.normal_(next(again.parameters()))
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    buffer.seek(0)
    again.load_state_dict(torch.load(buffer, weights_only=True))
    with torch.no_grad():
        torch.testing.assert_close(network(picture(name)), again(picture(name)), rtol=0, atol=0)


def test_a_batch_equals_its_single_samples(name: str) -> None:
    network, batch = build(name).eval(), picture(name)
    with torch.no_grad():
        torch.testing.assert_close(network(batch)[1:], network(batch[1:]), rtol=1e-3, atol=1e-4)


def test_parameter_counts_are_those_of_the_reference_table(name: str) -> None:
    assert registry.parameters_millions(name) == pytest.approx(EXPECTED_MILLIONS[name], rel=0.005)


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(RecipeError, match=r"no model is called 'unet3'. Nearest: unet3d, unet.* Choices: unet, "):
        registry.find("unet3")


def test_a_3d_model_on_2d_data_gets_the_models_that_fit() -> None:
    with pytest.raises(RecipeError, match="unet3d is a 3D model .* choices: unet, deeplabv3, segformer"):
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
        ("{epochs: 2}", "must start with network, train"),
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
