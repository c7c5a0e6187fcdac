"""``doctor [RECIPE]``: looks at everything that a run on the cluster needs, before it is needed."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from typing import Any

from medseg.cluster_config import ClusterConfig
from pipelines import connection
from pipelines.recipe_arguments import add_recipe, read_recipe

DESCRIPTION = (
    "Look at everything that a run on the cluster needs, one line each with what mends it. The exit status is 1 if"
    " something failed. Without a recipe: what every run needs, under the names that manifests/base makes."
)


def add_parser(commands: Any) -> None:
    """Add the command to an argparse parser's subparsers."""
    parser = commands.add_parser("doctor", help="check that a cluster is ready for a recipe", description=DESCRIPTION)
    add_recipe(parser, optional=True)
    connection.add_arguments(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    recipe = read_recipe(options) if options.recipe or options.set else None
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # a finding tells of its attempts
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
