"""``python -m pipelines``: run a recipe on this machine, or compile it for a cluster."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from medseg.console import run_command
from medseg.errors import RecipeError
from pipelines import submit
from pipelines.doctor import command as doctor
from pipelines.pod_check import check_for_pods
from pipelines.recipe_arguments import add_recipe, read_recipe
from pipelines.runs import command as runs
from pipelines.schedule import command as schedule

log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: int(options.command(options)))


def _run(options: argparse.Namespace) -> int:
    recipe = read_recipe(options)
    from pipelines import local

    if options.runner == "processes":
        return local.run(recipe)
    from pipelines.docker import containers

    return local.run(recipe, containers)


def _compile(options: argparse.Namespace) -> int:
    recipe = read_recipe(options)
    from pipelines.package import compile_package

    compile_package(recipe, options.output)
    print(f"wrote {options.output} ({options.output.stat().st_size / 1024:.0f} KB)")
    try:
        check_for_pods(recipe, str(options.recipe))
    except RecipeError as error:  # a package is looked at as well as run
        log.warning("warning: %s", error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run a recipe on this machine", description="Run a recipe on this machine.")
    run.set_defaults(command=_run)
    run.add_argument(
        "--runner",
        choices=("processes", "docker"),
        default="processes",
        help="what steps are: processes of this environment, or containers of the image that make images builds",
    )
    compiled = commands.add_parser(
        "compile", help="write the KFP package of a recipe", description="Write the KFP v2 package of a recipe."
    )
    compiled.set_defaults(command=_compile)
    compiled.add_argument("-o", "--output", type=Path, default=Path("benchmark.yaml"), help="file to write")
    submit.add_parser(commands)
    runs.add_parser(commands)
    schedule.add_parser(commands)
    doctor.add_parser(commands)
    for command in (run, compiled):
        add_recipe(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
