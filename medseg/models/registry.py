"""Every model that can be trained: its name, what it takes, and where its builder lies."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import yaml

from medseg.config import EvaluateConfig, Recipe, ResourcesConfig, TrainConfig, UnitConfig
from medseg.errors import RecipeError
from medseg.validation import set_by_path, validate

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelSpec:
    """One architecture.

    Attributes:
        dimensions: 2 trains on slices, 3 on volumes.
        target: ``module:function`` called with in_channels, classes and the ``network`` part of its
            configuration; imported only when the model is built. The builder hides what its library cannot take.
    """

    name: str
    dimensions: Literal[2, 3]
    target: str
    library: str
    paper: str


MODELS: tuple[ModelSpec, ...] = (
    ModelSpec("unet", 2, "medseg.models.smp:build", "segmentation-models-pytorch", "arXiv:1505.04597"),
    ModelSpec("deeplabv3", 2, "medseg.models.smp:build", "segmentation-models-pytorch", "arXiv:1706.05587"),
    ModelSpec("segformer", 2, "medseg.models.smp:build", "segmentation-models-pytorch", "arXiv:2105.15203"),
    ModelSpec("unet3d", 3, "medseg.models.monai_networks:build_unet", "MONAI", "arXiv:1606.06650"),
    ModelSpec("segresnet", 3, "medseg.models.monai_networks:build_segresnet", "MONAI", "arXiv:1810.11654"),
)


def model_names(dimensions: int | None = None) -> list[str]:
    return [spec.name for spec in MODELS if dimensions in (None, spec.dimensions)]


def find(name: str) -> ModelSpec:
    """The model of that name.

    Raises:
        RecipeError: there is none; names the nearest and all choices.
    """
    for spec in MODELS:
        if spec.name == name:
            return spec
    near = difflib.get_close_matches(name, model_names(), n=3, cutoff=0.4)
    hint = f" Nearest: {', '.join(near)}." if near else ""
    raise RecipeError(f"models: no model is called {name!r}.{hint} Choices: {', '.join(model_names())}")


def check_models(recipe: Recipe, where: str) -> None:
    """Stop early on a model name or a setting of a model that cannot work.

    Raises:
        RecipeError: names ``where``, the model or key, and the choices.
    """
    for entry in recipe.models:
        try:
            find(entry.model)
        except RecipeError as error:
            raise RecipeError(f"{where}: {error}") from None
        unit_config(recipe, entry.model)


def check_dimensions(names: Iterable[str], dimensions: int, dataset_name: str) -> None:
    """3D models need volumes.

    Raises:
        RecipeError: a 3D model is asked for on 2D data; names the models that fit.
    """
    for name in names:
        if find(name).dimensions > dimensions:
            raise RecipeError(
                f"models: {name} is a 3D model but data set {dataset_name} is 2D; choices: {', '.join(model_names(2))}"
            )


def default_config(name: str) -> dict[str, Any]:
    """The model's own YAML: ``network``, ``train`` and ``resources`` where they differ from the common defaults."""
    text = resources.files("medseg.models").joinpath("configs", f"{find(name).name}.yaml").read_text("utf-8")
    return yaml.safe_load(text) or {}


def unit_config(recipe: Recipe, name: str) -> UnitConfig:
    """All settings of one model: common defaults < the model's YAML < the recipe < the recipe's ``set`` of that model.

    Raises:
        RecipeError: a key or value of ``set`` is wrong, or the recipe does not list the model.
    """
    entry = next((entry for entry in recipe.models if entry.model == name), None)
    if entry is None:
        listed = ", ".join(entry.model for entry in recipe.models)
        raise RecipeError(f"models: the recipe {recipe.name} does not list {name!r}; it lists {listed}")
    own = default_config(name)
    raw = {
        "model": name,
        "network": own.get("network", {}),
        "train": _merge(own.get("train", {}), recipe.train.model_dump(exclude_unset=True)),
        "evaluate": recipe.evaluate.model_dump(exclude_unset=True),
        "resources": _merge(own.get("resources", {}), recipe.resources.model_dump(exclude_unset=True)),
    }
    where = f"recipe {recipe.name}: models: {name}: set"
    for key, value in _flatten(entry.set):
        if key.split(".")[0] not in ("network", "train", "evaluate", "resources"):
            raise RecipeError(f"{where}: {key} = {value!r}: must start with network, train, evaluate or resources")
        set_by_path(raw, key, value, where)
    unit = validate(UnitConfig, raw, where)
    # defaults are made explicit so that the unit's hash changes when a default does
    return UnitConfig(
        model=name,
        network=unit.network,
        train=TrainConfig(**unit.train.model_dump()),
        evaluate=EvaluateConfig(**unit.evaluate.model_dump()),
        resources=ResourcesConfig(**unit.resources.model_dump()),
    )


def build(unit: UnitConfig, in_channels: int, classes: int) -> nn.Module:
    """The network: (B, C, *size) float to logits (B, classes, *size), for any size.

    Args:
        classes: with background.

    Raises:
        RecipeError: the builder refuses a setting of ``network``.
    """
    from medseg.models.precision import channels_last

    spec = find(unit.model)
    module, _, function = spec.target.partition(":")
    builder = getattr(importlib.import_module(module), function)
    try:
        network = builder(in_channels=in_channels, classes=classes, **unit.network)
    except (TypeError, ValueError, KeyError) as error:
        settings = ", ".join(f"{key}={value!r}" for key, value in unit.network.items())
        raise RecipeError(f"models: {unit.model}: network ({settings}) cannot be built: {error}") from error
    return channels_last(network, spec.dimensions)


def parameters_millions(name: str, in_channels: int = 1, classes: int = 2) -> float:
    """Trainable parameters of the default configuration in millions."""
    unit = UnitConfig(
        model=name,
        network=default_config(name).get("network", {}),
        train=TrainConfig(),
        evaluate=EvaluateConfig(),
        resources=ResourcesConfig(),
    )
    return sum(p.numel() for p in build(unit, in_channels, classes).parameters()) / 1e6


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _flatten(settings: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in settings.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{path}.")
        else:
            yield path, value
