"""One model's row of the zoo's table, measured part by part in a process of its own."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import tests.models
from medseg.models import registry
from medseg.models.profile import DEFAULT_SIZE, profile
from medseg.training.losses import dice_cross_entropy
from tests.models.base import ZOO
from tests.models.overfit import load_scene, overfit

STEPS = 3  # of the full network


def parts(name: str) -> Iterator[dict[str, float]]:
    """Figures under the names of ``zoo.Row``, each part as soon as it is known."""
    unit, dims = registry.default_unit(name), registry.find(name).dims
    figures = profile(unit, 1, 2, DEFAULT_SIZE[dims], dice_cross_entropy())
    yield {"millions": figures.parameters / 1e6, "gmac": figures.multiply_adds / 1e9}
    for module in pkgutil.iter_modules(tests.models.__path__):
        importlib.import_module(f"tests.models.{module.name}")
    if name not in ZOO:
        raise LookupError("it has no ModelTests class in tests/models")
    learned = ZOO[name]().learn()
    yield {"dice": learned.dice, "steps": learned.steps, "step_s": learned.seconds_per_step}
    yield {"full_step_s": overfit(unit, load_scene(dims), STEPS).seconds_per_step}


def main(name: str) -> None:
    """Print each part as a line of JSON; what stops it is the last one."""
    try:
        for part in parts(name):
            _tell(part)
    except (Exception, pytest.skip.Exception) as error:  # without the real scans a scene skips its test
        _tell({"failed": " ".join(f"{type(error).__name__}: {error}".split())})


def _tell(part: dict[str, Any]) -> None:
    print(json.dumps(part), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
