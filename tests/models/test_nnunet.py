"""nnU-Net among the models: it takes slices and volumes, and is no network that is built here."""

from __future__ import annotations

import sys

import pytest

from medseg.config import Recipe, load_recipe
from medseg.errors import RecipeError
from medseg.models import registry


def recipe(setting: str = "models=[nnunet]") -> Recipe:
    return load_recipe(None, ["dataset.name=toy", setting])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_it_fits_slices_and_volumes(dimensions: int) -> None:
    registry.check_models(recipe(), "toy.yaml")
    registry.check_dimensions(["nnunet"], dimensions, "toy")


def test_without_its_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nnunetv2", None)  # as where it is not installed
    with pytest.raises(RecipeError, match=r"toy\.yaml: models: nnunet .* pip install 'medseg\[nnunet\]'"):
        registry.check_models(recipe(), "toy.yaml")


def test_a_wrong_setting_is_named_with_the_choices() -> None:
    wrong = recipe("models=[{model: nnunet, set: {network.configuration: 3d}}]")
    with pytest.raises(RecipeError, match=r"nnunet: network: configuration = '3d'.*'3d_fullres'"):
        registry.check_models(wrong, "toy.yaml")


def test_it_has_no_network_to_build() -> None:
    with pytest.raises(RecipeError, match="nnunet has no network before nnunetv2 has planned it"):
        registry.build(registry.default_unit("nnunet"), 1, 2)
