"""The command ``medseg models``: what can be trained, and what one of them is and costs."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from medseg.config import UnitConfig, load_recipe
from medseg.console import whole_number

if TYPE_CHECKING:
    from medseg.models.profile import Profile


def add_models_command(commands: Any) -> None:
    """Make ``models`` one of the commands of a parser."""
    models = commands.add_parser(
        "models",
        help="what can be trained",
        description="List what can be trained. With NAME: its configuration, parameters, operations and memory.",
    )
    models.set_defaults(command=_models)
    models.add_argument("name", nargs="?", metavar="NAME")
    models.add_argument("--json", action="store_true", help="for programs")
    size_help = "of an image or patch; default: 256 256 or 96 96 96"
    models.add_argument("--size", nargs="+", type=whole_number, metavar="N", help=size_help)
    models.add_argument("--channels", type=whole_number, default=1, metavar="N", help="default: %(default)s")
    classes_help = "with background; default: %(default)s"
    models.add_argument("--classes", type=whole_number, default=2, metavar="N", help=classes_help)
    batch_help = "of training; default: 8 slices or 2 volumes"
    models.add_argument("--batch", type=whole_number, metavar="N", help=batch_help)
    set_help = "as in a recipe, e.g. network.encoder=resnet18; may be repeated"
    models.add_argument("--set", action="append", default=[], metavar="KEY.PATH=VALUE", help=set_help)


def _models(options: argparse.Namespace) -> int:
    from medseg.models import catalog

    if options.name:
        return _one_model(options)
    print(_json(catalog.listing()) if options.json else catalog.table())
    return 0


def _one_model(options: argparse.Namespace) -> int:
    from medseg.models import catalog, registry

    spec = registry.find(options.name)
    batch = [f"train.batch_size={options.batch}"] if options.batch else []
    settings = [f"models.0.set.{override}" for override in (*batch, *options.set)]
    recipe = load_recipe(None, [f"dataset.name={spec.name}", f"models=[{spec.name}]", *settings])
    unit = registry.unit_config(recipe, spec.name)

    figures = None if spec.extra else _profile(unit, options)
    print(_json(catalog.details(unit, figures)) if options.json else catalog.page(unit, figures))
    return 0


def _profile(unit: UnitConfig, options: argparse.Namespace) -> Profile:
    # torch takes seconds to import: what is wrong with the settings was told before
    from medseg.models.profile import DEFAULT_SIZE, profile
    from medseg.models.registry import find
    from medseg.training.losses import dice_cross_entropy

    size = options.size or DEFAULT_SIZE[find(unit.model).dims]
    return profile(unit, options.channels, options.classes, size, dice_cross_entropy())


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
