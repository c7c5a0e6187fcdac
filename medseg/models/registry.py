"""From a model's name to its settings and its network."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Iterable
from importlib import resources
from typing import TYPE_CHECKING, Any

import yaml

from medseg.artifacts import Plan
from medseg.cluster_config import ResourcesConfig
from medseg.config import (
    NO_WEIGHTS,
    DatasetConfig,
    EvaluateConfig,
    ModelEntry,
    Recipe,
    TrainConfig,
    UnitConfig,
)
from medseg.errors import RecipeError
from medseg.models.specs import MODELS, ModelSpec
from medseg.models.weights import check_weights
from medseg.validation import set_by_path, validate

if TYPE_CHECKING:
    from medseg.models.adapter import Segmenter

BATCH_SIZE = {2: 8, 3: 2}  # small batches, many steps: what nnU-Net plans for large patches, and fits common GPUs

# how libraries say that they cannot build what they were asked for
BUILDERS_ERRORS = (TypeError, ValueError, LookupError, AttributeError, AssertionError, RuntimeError, ArithmeticError)


def model_names(dims: int | None = None) -> list[str]:
    return [spec.name for spec in MODELS if dims in (None, spec.dims)]


def find(name: str) -> ModelSpec:
    """The model of that name.

    Raises:
        RecipeError: there is none; names the nearest and all choices.
    """
    for spec in MODELS:
        if spec.name == name:
            return spec
    near = difflib.get_close_matches(name.lower(), model_names(), n=3, cutoff=0.4)
    hint = f" Nearest: {', '.join(near)}." if near else ""
    raise RecipeError(f"models: no model is called {name!r}.{hint} Choices: {', '.join(model_names())}")


def check_models(recipe: Recipe, where: str) -> None:
    """Stop early on a model name or a setting of a model that cannot work: before hours of work go into the data.

    Raises:
        RecipeError: names ``where``, the model or key, and the choices.
    """
    for entry in recipe.models:
        try:
            spec = find(entry.model)
        except RecipeError as error:
            raise RecipeError(f"{where}: {error}") from None
        unit = unit_config(recipe, entry.model)
        check_external(unit, where)
        check_weights(unit, spec, where)
        if spec.extra is None and any(key.startswith("network") for key in entry.set):
            try:
                build(unit, in_channels=1, classes=2)
            except RecipeError as error:
                raise RecipeError(f"{where}: {error}") from None


def check_external(unit: UnitConfig, where: str) -> None:
    """Stop on a model of another package that is not installed, or whose settings are wrong.

    Raises:
        RecipeError: names ``where``, and the command that installs the package or the key.
    """
    spec = find(unit.model)
    if spec.extra is None:
        return
    validate(_target(spec), unit.network, f"{where}: models: {spec.name}: network")
    if importlib.util.find_spec(spec.library) is None:
        raise RecipeError(
            f"{where}: models: {spec.name} is trained by the package {spec.library}, which is not installed:"
            f" pip install 'medseg[{spec.extra}]'"
        )


def check_dimensions(names: Iterable[str], dimensions: int, dataset_name: str) -> None:
    """3D models need volumes.

    Raises:
        RecipeError: a 3D model is asked for on 2D data; names the models that fit.
    """
    for name in names:
        if find(name).dims > dimensions:
            raise RecipeError(
                f"models: {name} is a 3D model but data set {dataset_name} is 2D; choices: {', '.join(model_names(2))}"
            )


def default_config(name: str) -> dict[str, Any]:
    """The model's own YAML: ``network``, ``train`` and ``resources`` where they differ from the common defaults."""
    return _read(f"{find(name).name}.yaml")


def family_config(name: str) -> dict[str, Any]:
    """``train`` settings of the model's family."""
    return _read("families.yaml")[find(name).family]


def unit_config(recipe: Recipe, name: str) -> UnitConfig:
    """All settings of one model.

    Common defaults < its family < the model's YAML < the recipe < the recipe's ``set`` of that model.

    Raises:
        RecipeError: a key or value of ``set`` is wrong, or the recipe does not list the model.
    """
    entry = next((entry for entry in recipe.models if entry.model == name), None)
    if entry is None:
        listed = ", ".join(entry.model for entry in recipe.models)
        raise RecipeError(f"models: the recipe {recipe.name} does not list {name!r}; it lists {listed}")
    own = default_config(name)
    train = _merge(family_config(name), own.get("train", {}))
    raw = {
        "model": name,
        "weights": recipe.weights,
        "network": own.get("network", {}),
        "train": _merge(train, recipe.train.model_dump(exclude_unset=True)),
        "evaluate": recipe.evaluate.model_dump(exclude_unset=True),
        "resources": _merge(own.get("resources", {}), recipe.resources.model_dump(exclude_unset=True)),
    }
    where = f"recipe {recipe.name}: models: {name}: set"
    for key, value in _flatten(entry.set):
        if key.split(".")[0] not in ("weights", "network", "train", "evaluate", "resources"):
            raise RecipeError(
                f"{where}: {key} = {value!r}: must start with weights, network, train, evaluate or resources"
            )
        if key == "resources.max_parallel":
            raise RecipeError(f"{where}: {key} = {value!r}: is of the whole run; set it in the recipe's resources")
        set_by_path(raw, key, value, where)
    unit = validate(UnitConfig, raw, where)
    _check_rate(unit.train, TrainConfig(**train), recipe, entry, where)
    # defaults are made explicit so that the unit's hash changes when a default does
    return UnitConfig(
        model=name,
        weights=unit.weights,
        network=unit.network,
        train=TrainConfig(**unit.train.model_dump()),
        evaluate=EvaluateConfig(**unit.evaluate.model_dump()),
        resources=ResourcesConfig(**unit.resources.model_dump()),
    )


def batch_size(unit: UnitConfig) -> int:
    """Patches per step."""
    return unit.train.batch_size or BATCH_SIZE[find(unit.model).dims]


def check_patches(unit: UnitConfig, plan: Plan) -> None:
    """Stop before training on what the network cannot take, also when padded.

    Raises:
        RecipeError: names the model, the value and the nearest one that it can take.
    """
    spec = find(unit.model)
    check_batch_size(unit)
    patch = plan.patch_2d if spec.dims == 2 else plan.patch_3d
    assert patch is not None, "3D models on 2D data were refused before"
    nearest = spec.size.nearest(patch, unit.network, batch_size(unit))
    if nearest != patch:
        raise RecipeError(
            f"models: {unit.model}: a patch of {' x '.join(map(str, patch))} is too small: its longest axis must reach"
            f" {max(nearest)}; set preprocess.patch_{spec.dims}d to {list(nearest)}, or leave the model out"
        )


def check_batch_size(unit: UnitConfig) -> None:
    """Stop on a batch that is too small for the network's normalisation.

    Raises:
        RecipeError: names the model, the value and the smallest one that it can take.
    """
    smallest = find(unit.model).smallest_batch
    if batch_size(unit) < smallest:
        raise RecipeError(
            f"models: {unit.model}: train.batch_size = {batch_size(unit)} is too small: its batch normalisation of"
            f" 1 x 1 features needs {smallest}"
        )


def build(unit: UnitConfig, in_channels: int, classes: int) -> Segmenter:
    """The network: (B, C, *size) float to logits (B, classes, *size), for any size.

    Args:
        classes: with background.

    Raises:
        RecipeError: the builder refuses a setting of ``network``, or another package builds this model.
    """
    spec = find(unit.model)
    if spec.extra:
        raise RecipeError(f"models: {spec.name} has no network before {spec.library} has planned it for a data set")
    from medseg.models.adapter import Segmenter
    from medseg.models.precision import channels_last

    builder = _target(spec)
    try:
        network = builder(in_channels=in_channels, classes=classes, **unit.network)
        multiple = spec.size.multiple_for(unit.network)
    except BUILDERS_ERRORS as error:
        if "memory" in str(error):
            raise  # not for its settings
        settings = ", ".join(f"{key}={value!r}" for key, value in unit.network.items())
        known = ", ".join(default_config(unit.model).get("network", {}))
        raise RecipeError(
            f"models: {unit.model}: network ({settings}) cannot be built: {error}; its settings are {known}"
        ) from error
    # segmentation-models-pytorch says what its encoder's options make of it
    stride = getattr(getattr(network, "encoder", None), "output_stride", 1)
    segmenter = Segmenter(network, max(multiple, stride), spec.encoder)
    channels_last(segmenter, spec.dims)
    return segmenter


def default_unit(name: str, network: dict[str, Any] | None = None, weights: str = NO_WEIGHTS) -> UnitConfig:
    """The settings of a model outside any recipe, with other settings of its network and weights where given."""
    settings = {"weights": weights, **({"network": network} if network else {})}
    recipe = Recipe(
        name=name,
        dataset=DatasetConfig(name=name),
        models=(ModelEntry(model=name, set=settings),),
    )
    return unit_config(recipe, name)


def _target(spec: ModelSpec) -> Any:
    module, _, name = spec.target.partition(":")
    return getattr(importlib.import_module(module), name)


def _check_rate(train: TrainConfig, usual: TrainConfig, recipe: Recipe, entry: ModelEntry, where: str) -> None:
    """A learning rate belongs to an optimizer: the model's usual one does not fit another optimizer."""
    given = {key.removeprefix("train.") for key, _ in _flatten(entry.set)} | recipe.train.model_fields_set
    if train.optimizer != usual.optimizer and "learning_rate" not in given:
        raise RecipeError(
            f"{where}: train.optimizer = {train.optimizer} needs train.learning_rate beside it: the model's own"
            f" rate of {usual.learning_rate:g} is for {usual.optimizer}"
        )


def _read(file: str) -> dict[str, Any]:
    return yaml.safe_load(resources.files("medseg.models").joinpath("configs", file).read_text("utf-8")) or {}


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


MAPPINGS = ("resources.node_selector",)  # values whose own keys may hold dots


def _flatten(settings: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in settings.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value and path not in MAPPINGS:
            yield from _flatten(value, f"{path}.")
        else:
            yield path, value
