"""What is told of the models, to people and to programs; imports no library of networks."""

from __future__ import annotations

import textwrap
from collections.abc import Container, Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import yaml

from medseg.cluster_config import ResourcesConfig
from medseg.config import NO_WEIGHTS, TrainConfig, UnitConfig
from medseg.models import registry
from medseg.models.specs import MODELS, ModelSpec

if TYPE_CHECKING:
    from medseg.models.profile import Profile

COLUMNS = ("name", "input", "parameters", "library", "weights licence", "paper")
LICENSE_WIDTH, PAPER_WIDTH = 26, 19  # longer texts go on below, so that the table fits into 120 columns
PLANNED = "planned"


def facts(spec: ModelSpec) -> dict[str, Any]:
    """A model's facts under keys that stay; parameters at 1 channel and 2 classes."""
    return {
        "name": spec.name,
        "dims": spec.dims,
        "library": spec.library,
        "weights_license": spec.weights_license,
        "parameters_millions": spec.parameters_millions,
        "paper": spec.paper,
        "family": spec.family,
        "output": spec.output,
        "channels": spec.channels,
        "size_multiple": spec.size.multiple,
        "encoder": bool(spec.encoder),
    }


def listing() -> list[dict[str, Any]]:
    """The facts of all models."""
    return [facts(spec) for spec in MODELS]


def table(specs: Sequence[ModelSpec] = MODELS) -> str:
    """All models, grouped by their input, in at most 120 columns."""
    rows = {spec.name: _rows(spec) for spec in specs}
    all_rows = [COLUMNS, *(row for lines in rows.values() for row in lines)]
    widths = [max(len(row[column]) for row in all_rows) for column in range(len(COLUMNS))]
    inputs = dict.fromkeys(_input(spec) for spec in specs)
    groups = [[row for spec in specs if _input(spec) == given for row in rows[spec.name]] for given in inputs]
    texts = ["\n".join(_aligned(row, widths) for row in (COLUMNS, *group)) for group in groups]
    return "\n\n".join((*texts, _LEGEND))


def recipe_entry(unit: UnitConfig) -> dict[str, Any]:
    """The model as a recipe may list it: its network, and what its family, its file or its settings say of training."""
    family = registry.family_config(unit.model)
    other_package = registry.find(unit.model).extra is not None  # which trains by its own rules
    settings = {
        "weights": None if unit.weights == NO_WEIGHTS else unit.weights,
        "network": unit.network,
        "train": None if other_package else _differing(unit.train, TrainConfig(), keep=family),
        "resources": _differing(unit.resources, ResourcesConfig()),
    }
    return {"model": unit.model, "set": {key: value for key, value in settings.items() if value}}


def details(unit: UnitConfig, profile: Profile | None) -> dict[str, Any]:
    """All about one model for programs; without figures where it has no network before it is planned."""
    described = {**facts(registry.find(unit.model)), "recipe_entry": recipe_entry(unit)}
    if profile is None:
        return described
    figures = asdict(profile)
    given = {key: figures.pop(key) for key in ("channels", "classes", "size", "batch_size")}
    memory = figures.pop("memory")
    flops = 2 * profile.multiply_adds
    return {**described, "input": given, **figures, "flops": flops, "memory_bytes": memory}


def page(unit: UnitConfig, profile: Profile | None) -> str:
    """All about one model for people."""
    spec = registry.find(unit.model)
    entry = yaml.safe_dump({"models": [recipe_entry(unit)]}, sort_keys=False, default_flow_style=None, width=100)
    figures = _figures(unit, profile) if profile else [f"{spec.library} plans its network anew for every data set."]
    title = f"{spec.name}: {_input(spec)}, {spec.library}, {spec.paper}; weights: {spec.weights_license}"
    return "\n".join((title, "", entry, *figures))


def _figures(unit: UnitConfig, profile: Profile) -> list[str]:
    memory, batch = profile.memory, profile.batch_size
    operations = profile.multiply_adds / 1e9
    encoder = f", {profile.encoder_parameters / 1e6:.2f} M of them in the encoder" if profile.encoder_parameters else ""
    detections = "" if registry.find(unit.model).output != "instances" else ", with all detections that it may have"
    lines = {
        "parameters": f"{profile.parameters / 1e6:.2f} M{encoder}",
        "multiply-adds": f"{operations:.2f} G ({2 * operations:.2f} GFLOP) for one image{detections}",
        "weights": _binary(memory.weights),
        "gradients": _binary(memory.gradients),
        "optimizer state": f"{_binary(memory.optimizer)} ({unit.train.optimizer})",
        "activations": f"{_binary(memory.activations)} kept for the backward pass of {_counted(batch, 'image')}",
        "training": f"about {_binary(memory.training)} in all",
        "inference": f"about {_binary(memory.inference)} in all, one image at a time",
    }
    size = " x ".join(map(str, profile.size))
    return [
        f"{_counted(profile.channels, 'channel')} of {size}, {_counted(profile.classes, 'class', 'classes')}:",
        *(f"  {name:<16} {figure}" for name, figure in lines.items()),
        "Memory is that of 32-bit floats, without what libraries take besides. Mixed precision on GPUs keeps about",
        "half of the activations.",
    ]


_LEGEND = (
    "Parameters at 1 channel and 2 classes; planned: anew for every data set. `medseg models NAME` says more about one."
)


def _differing(section: TrainConfig | ResourcesConfig, common: object, keep: Container[str] = ()) -> dict[str, Any]:
    """The settings that are not the common ones, and those to keep."""
    kept = [key for key in type(section).model_fields if key in keep or getattr(section, key) != getattr(common, key)]
    return section.model_dump(mode="json", include=set(kept))


def _rows(spec: ModelSpec) -> list[tuple[str, ...]]:
    """The lines of one model."""
    millions = PLANNED if spec.parameters_millions is None else f"{spec.parameters_millions:.2f} M"
    licenses = textwrap.wrap(spec.weights_license, LICENSE_WIDTH)
    columns = (
        [spec.name],
        [_input(spec)],
        [millions],
        [spec.library],
        licenses,
        textwrap.wrap(spec.paper, PAPER_WIDTH),
    )
    return list(zip_longest(*columns, fillvalue=""))


def _input(spec: ModelSpec) -> str:
    return "2D, 3D" if spec.extra else f"{spec.dims}D"  # other packages plan for both


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if title == "parameters" else cell.ljust(width)
        for title, cell, width in zip(COLUMNS, row, widths, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _binary(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
