"""The recipe of a command: its arguments, and the recipe that they mean."""

from __future__ import annotations

import argparse
from pathlib import Path

from medseg.config import Recipe, load_recipe
from medseg.models.registry import check_models


def add_recipe(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    """Add ``RECIPE`` and ``--set``."""
    parser.add_argument(
        "recipe",
        nargs="?" if optional else None,
        type=Path,
        metavar="RECIPE",
        help="YAML file, e.g. pipelines/recipes/demo.yaml",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="override one value; may be repeated"
    )


def read_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe that was named, with its overrides.

    Raises:
        RecipeError: it is wrong, or names a model that there is none of.
    """
    recipe = load_recipe(options.recipe, options.set)
    check_models(recipe, str(options.recipe or "recipe from --set"))
    return recipe
