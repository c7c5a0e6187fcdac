"""Where the published weights of a model's encoder lie, and under which licence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import yaml

from medseg.config import NO_WEIGHTS, PUBLISHED, UnitConfig, is_hub_id
from medseg.errors import RecipeError
from medseg.models.specs import BSD3, MODELS, SMP, ModelSpec

_SET_NONE = f"set: {{weights: {NO_WEIGHTS}}}"
SMP_OWNER = "smp-hub/"
TIMM_OWNER = "timm/"
TIMM_ENCODER = "tu-"  # how segmentation-models-pytorch marks encoders that it takes from timm


@dataclass(frozen=True)
class Source:
    """One published file of weights.

    Attributes:
        place: Hugging Face repository ``owner/name``, or URL of the file.
        revision: commit of the repository; None is its newest one.
        license: None where only the repository itself says it.
    """

    place: str
    revision: str | None = None
    license: str | None = None

    @property
    def is_repository(self) -> bool:
        return "://" not in self.place

    @property
    def name(self) -> str:
        """``owner/name`` of a repository, ``host/file`` (without its ending) of a URL."""
        if self.is_repository:
            return self.place
        parts = urlsplit(self.place)
        return f"{parts.hostname}/{PurePosixPath(parts.path).stem}"


def published(unit: UnitConfig, spec: ModelSpec, where: str = "weights") -> Source:
    """The weights behind ``weights: imagenet`` for a model as it is configured.

    Raises:
        RecipeError: there are none; names ``where``, the model, those that have some, and the next step.
    """
    entry = _entry(spec)
    encoder = entry.get("encoder") or unit.network.get("encoder")
    if "table" in entry:
        source = _TABLES[entry["table"]](str(encoder))
    else:
        source = Source(entry.get("repo") or entry["url"], license=spec.weights_license) if entry else None
    if source is None:
        with_encoder = f" with the encoder {encoder}" if encoder else ""
        raise RecipeError(
            f"{where}: models: {unit.model}: weights = {PUBLISHED}: nobody has published any for it{with_encoder};"
            f" give it {_SET_NONE}. Models that have some: {', '.join(models_with_weights())}"
        )
    return source


def renames(model: str) -> dict[str, str]:
    """Patterns of names in the published file of a model, and what they become in the network."""
    return weights_table()["models"].get(model, {}).get("rename", {})


def timm_name(place: str) -> str | None:
    """timm's name for the model whose weights lie in a repository of timm's."""
    return place.removeprefix(TIMM_OWNER) if place.startswith(TIMM_OWNER) else None


def models_with_weights() -> list[str]:
    """Names of the models that ``weights: imagenet`` can be set for."""
    return [spec.name for spec in MODELS if _entry(spec)]


@cache
def weights_table() -> dict[str, Any]:
    """``weights.yaml``."""
    text = resources.files("medseg.models").joinpath("weights.yaml").read_text("utf-8")
    return yaml.safe_load(text)


def check_weights(unit: UnitConfig, spec: ModelSpec, where: str) -> None:
    """Stop early on weights that nobody published and on an encoder that is frozen although it knows nothing.

    Raises:
        RecipeError: names ``where``, the model, the value, the choices and the next step.
    """
    if unit.weights != NO_WEIGHTS and spec.extra:
        raise RecipeError(
            f"{where}: models: {unit.model}: weights = {unit.weights}: {spec.library} starts from random weights;"
            f" give it {_SET_NONE}"
        )
    if unit.weights == PUBLISHED:
        published(unit, spec, where)
    frozen = unit.train.encoder.frozen_epochs
    if frozen and spec.encoder and unit.weights == NO_WEIGHTS:
        raise RecipeError(
            f"{where}: models: {unit.model}: train.encoder.frozen_epochs = {frozen} would keep random weights;"
            f" give it weights, e.g. weights: {PUBLISHED}, or set train.encoder.frozen_epochs to 0"
        )


def source_of(unit: UnitConfig, spec: ModelSpec) -> Source | None:
    """What a training's weights were published as; None where it starts from random weights or from a file.

    Raises:
        RecipeError: nobody published any.
    """
    if unit.weights == PUBLISHED:
        return published(unit, spec)
    if not is_hub_id(unit.weights):
        return None
    of_smp = unit.weights.startswith(SMP_OWNER) and unit.weights.endswith(f".{PUBLISHED}")
    return Source(unit.weights, license=_license(unit.weights.removeprefix(SMP_OWNER)) if of_smp else None)


def _of_smp(encoder: str) -> Source | None:
    if encoder.startswith(TIMM_ENCODER):
        return _of_timm(encoder.removeprefix(TIMM_ENCODER))
    from segmentation_models_pytorch.encoders import encoders

    place = encoders.get(encoder, {}).get("pretrained_settings", {}).get(PUBLISHED)
    if place is None:
        return None
    return Source(place["repo_id"], place["revision"], _license(encoder))


def _license(encoder: str) -> str | None:
    """Of an encoder of segmentation-models-pytorch."""
    return next((text for start, text in weights_table()["licenses"].items() if encoder.startswith(start)), None)


def _of_timm(name: str) -> Source | None:
    import timm

    try:
        entry = timm.get_pretrained_cfg(name, allow_unregistered=True)
    except RuntimeError:  # no such tag
        return None
    if entry is None or not entry.hf_hub_id:
        return None
    return Source(entry.hf_hub_id, license=entry.license)


def _of_torchvision(name: str) -> Source:
    from torchvision.models import get_model_weights

    return Source(get_model_weights(name).IMAGENET1K_V1.url, license=BSD3)


_TABLES: dict[str, Callable[[str], Source | None]] = {"smp": _of_smp, "timm": _of_timm, "torchvision": _of_torchvision}


def _entry(spec: ModelSpec) -> dict[str, Any]:
    return {"table": "smp"} if spec.library == SMP else weights_table()["models"].get(spec.name, {})
