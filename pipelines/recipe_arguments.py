"""The recipe of a command: its arguments, and the recipe that they mean."""

from __future__ import annotations

import argparse
import shlex
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


def given_recipe(options: argparse.Namespace) -> str:
    """What was given of ``add_recipe``, to be put into a command that a person is told to type."""
    return shlex.join([str(options.recipe), *(text for one in options.set for text in ("--set", one))])


def read_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe that was named, with its overrides.

    Raises:
        RecipeError: it is wrong, or names a model that there is none of.
    """
    recipe = load_recipe(options.recipe, options.set)
    check_models(recipe, str(options.recipe or "recipe from --set"))
    return recipe
