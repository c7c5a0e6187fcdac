"""``schedule apply|list|pause|resume|delete``: a recipe starts again by itself, at the times of its cron."""

from __future__ import annotations

import argparse
from typing import Any

from medseg.errors import RecipeError
from pipelines import connection
from pipelines.recipe_arguments import add_recipe, read_recipe

VERBS = {
    "apply": "make the schedule of a recipe, or change it to what the recipe says now",
    "list": "list all schedules; with a recipe, that recipe's",
    "pause": "start no more runs; what runs goes on",
    "resume": "start runs again, from the next time on",
    "delete": "remove the schedule; its runs and reports stay",
}


def add_parser(commands: Any) -> None:
    """Add the commands to an argparse parser's subparsers."""
    text = "start a recipe again and again on a cluster"
    parser = commands.add_parser("schedule", help=text, description=f"{text[0].upper()}{text[1:]}.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb, text in VERBS.items():
        one = verbs.add_parser(verb, help=text, description=f"{text[0].upper()}{text[1:]}.")
        add_recipe(one, optional=verb == "list")
        connection.add_arguments(one)
        one.set_defaults(command=_run, verb=verb)


def _run(options: argparse.Namespace) -> int:
    from pipelines.schedule import verbs

    if options.recipe is None:
        if options.set:
            raise RecipeError(f"--set {options.set[0]}: there is no recipe to change; name one before it")
        return verbs.show(None, options)
    verb = {
        "apply": verbs.apply,
        "list": verbs.show,
        "pause": verbs.pause,
        "resume": verbs.resume,
        "delete": verbs.delete,
    }[options.verb]
    return verb(read_recipe(options), options)
