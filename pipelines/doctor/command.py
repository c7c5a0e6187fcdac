"""``doctor [RECIPE]``: looks at everything that a run on the cluster needs, before it is needed."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from medseg.cluster_config import ClusterConfig
from medseg.config import load_recipe
from medseg.models.registry import check_models
from pipelines import connection

DESCRIPTION = (
    "Look at everything that a run on the cluster needs, one line each with what mends it. The exit status is 1 if"
    " something failed. Without a recipe: what every run needs, under the names that manifests/base makes."
)


def add_parser(commands: Any) -> None:
    """Add the command to an argparse parser's subparsers."""
    parser = commands.add_parser("doctor", help="check that a cluster is ready for a recipe", description=DESCRIPTION)
    parser.add_argument("recipe", nargs="?", type=Path, metavar="RECIPE", help="YAML file")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="override one value; may be repeated"
    )
    connection.add_arguments(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    recipe = None
    if options.recipe or options.set:
        recipe = load_recipe(options.recipe, options.set)
        check_models(recipe, str(options.recipe or "recipe from --set"))
    from pipelines.doctor.checks import examine
    from pipelines.doctor.visit import Visit

    cluster = recipe.cluster if recipe else ClusterConfig()
    if options.namespace:
        cluster = cluster.model_copy(update={"namespace": options.namespace})
    states: Counter[str] = Counter()
    for finding in examine(Visit(options, recipe, cluster)):
        print(finding, flush=True)
        states[finding.state] += 1
    print(", ".join(f"{states[state]} {state}" for state in ("ok", "warning", "failed", "skipped")))
    return 1 if states["failed"] else 0
