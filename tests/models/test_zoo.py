"""What holds for the zoo as a whole: every name has its settings, its builder and its tests."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from importlib import resources

import pytest

import tests.models
from medseg.models import registry
from medseg.models.specs import MODELS, ModelSpec
from tests.models.base import ZOO

NETWORKS = [spec for spec in MODELS if spec.extra is None]  # the others are planned by their own package


@pytest.fixture(scope="module", autouse=True)
def _all_test_classes() -> None:
    for module in pkgutil.iter_modules(tests.models.__path__):
        importlib.import_module(f"tests.models.{module.name}")


def test_names_are_unique_and_fit_into_folders_and_pod_names() -> None:
    names = [spec.name for spec in MODELS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name) and len(name) < 40 for name in names)


def test_there_is_a_file_of_settings_for_every_name_and_none_besides() -> None:
    files = {path.name for path in resources.files("medseg.models").joinpath("configs").iterdir()}
    assert files == {f"{spec.name}.yaml" for spec in MODELS} | {"families.yaml"}


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.name)
def test_a_file_of_settings_has_only_the_parts_that_are_read(spec: ModelSpec) -> None:
    assert set(registry.default_config(spec.name)) <= {"network", "train", "resources"}
    assert registry.default_unit(spec.name).model == spec.name


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: spec.name)
def test_a_builder_takes_what_its_file_says(spec: ModelSpec) -> None:
    module, _, function = spec.target.partition(":")
    builder = getattr(importlib.import_module(module), function)
    inspect.signature(builder).bind(in_channels=1, classes=2, **registry.default_config(spec.name).get("network", {}))


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: spec.name)
def test_every_network_has_its_tests(spec: ModelSpec) -> None:
    assert spec.name in ZOO, f"{spec.name} needs a ModelTests class in tests/models"
    assert spec.parameters_millions
