"""What a file of weights holds, as tensors by name."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from medseg.errors import DataError, RecipeError

State = Mapping[str, torch.Tensor]

WRAPPERS = ("network", "state_dict", "model_state_dict", "model", "module")


def read_weights(path: Path) -> State:
    """Tensors by name from ``.safetensors`` or a file of ``torch.save``, also where they lie deeper in it.

    Files of ``torch.save`` are read without running any code in them.

    Raises:
        DataError: the file is damaged, or holds no tensors.
    """
    try:
        content: Any = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path}: cannot be read as weights ({reason}); it must be whole and hold tensors alone: save a network's"
            " state_dict as .safetensors"
        ) from error
    tensors = _tensors(content)
    if not tensors:
        raise DataError(f"{path}: holds no tensors by name; it must hold a network's state_dict")
    return tensors


def in_names_of_timm(state: State, name: str, where: str) -> State:
    """Published weights of a model of timm in the names of the installed timm, which may differ from the file's.

    Raises:
        RecipeError: they are not that model's.
    """
    import timm

    settings = {"state_dict": dict(state), "custom_load": False}
    try:
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=settings).state_dict()
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise RecipeError(f"weights: {where}: does not hold the weights of timm's {name}: {reason}") from error


def _tensors(content: Any) -> dict[str, torch.Tensor]:
    """The tensors of the outermost mapping that has some by name, or of one that a usual key wraps."""
    if not isinstance(content, Mapping):
        return {}
    for key in WRAPPERS:
        if inner := _tensors(content.get(key)):
            return inner
    named = {name: value for name, value in content.items() if isinstance(name, str)}
    return {name: value for name, value in named.items() if isinstance(value, torch.Tensor)}
