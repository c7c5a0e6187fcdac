"""The commands about runs that are in a store already: ``medseg report`` and ``medseg compare``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medseg import artifacts
from medseg.config import EMBEDDED, Recipe, load_recipe
from medseg.errors import StageError

RUN_HELP = (
    "id of a run in the store that --set store=… names, by default the one on this machine; or a run's URI, such as"
    " s3://bucket/runs/ID or DIR/runs/ID"
)


def add_run_commands(commands: Any) -> None:
    """Make ``report`` and ``compare`` commands of a parser."""
    about = "everything a run left in the store becomes one ranked report, at any time and in whatever state the run is"
    report = commands.add_parser("report", help=about, description=f"report: {about}.")
    report.set_defaults(command=_report)
    run_help = f"{RUN_HELP}; or a recipe's YAML file, for its run_id or the newest run of its name"
    report.add_argument("run", nargs="?", metavar="RUN", help=run_help)
    about = "how models changed from run to run, and what else did, as Markdown"
    compare = commands.add_parser("compare", help=about, description=f"compare: {about}.")
    compare.set_defaults(command=_compare)
    compare.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    compare.add_argument("--html", type=Path, metavar="FILE", help="write the same as a page, with the runs as lines")
    for command in (report, compare):
        command.add_argument(
            "--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="override one value, e.g. store=DIR"
        )


@contextmanager
def opened_run(given: str | None, settings: Sequence[str]) -> Iterator[str]:
    """The URI of a run, for as long as its store is open.

    Args:
        given: id, URI or a recipe's file; None takes all from the settings.
        settings: as of ``--set``.

    Raises:
        RecipeError: the recipe cannot be read.
        StageError: there is no such run; names those that are there.
    """
    from medseg.stages.record import require_run
    from medseg.storage import session

    recipe = _recipe_of(given, settings)
    with session(recipe.store) as store_uri:
        run_uri = run_of(recipe, store_uri)
        require_run(run_uri)
        yield run_uri


def run_of(recipe: Recipe, store_uri: str) -> str:
    """URI of the recipe's run, or without ``run_id`` of the newest one of its name.

    Raises:
        StageError: there is none of this name.
    """
    from medseg.stages.record import newest_run

    return artifacts.run_uri(store_uri, recipe.run_id) if recipe.run_id else newest_run(store_uri, recipe.name)


def _report(options: argparse.Namespace) -> int:
    from medseg.reporting.tables import format_leaderboard
    from medseg.stages import report as stage
    from medseg.storage import shown

    with opened_run(options.run, options.set) as run_uri:
        made = stage.report(run_uri)
        print(format_leaderboard(made.rows))
        print(f"Report: {shown(made.uri)}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    from medseg.stages import compare as stage

    if len(options.runs) < 2:
        raise StageError(f"compare {options.runs[0]}: needs two runs or more")
    runs = []
    for given in options.runs:
        with opened_run(given, options.set) as run_uri:
            runs.append(stage.load(run_uri))
    print(stage.compare(runs))
    if options.html:
        try:
            options.html.write_text(stage.page(runs), encoding="utf-8")
        except OSError as error:
            raise StageError(f"{options.html}: the page cannot be written: {error.strerror}") from error
        print(f"Page: {options.html}")
    return 0


def _recipe_of(given: str | None, settings: Sequence[str]) -> Recipe:
    """A recipe that says where the run's store is, and its id where it is known."""
    if given is None or given.endswith((".yaml", ".yml")) or Path(given).is_file():
        return load_recipe(Path(given) if given else None, settings)
    store, run_id = _place_of(given)
    recipe = load_recipe(None, ["dataset.name=any", *settings])
    place = recipe.store.model_copy(update={"uri": store}) if store else recipe.store
    return recipe.model_copy(update={"run_id": run_id, "store": place})


def _place_of(given: str) -> tuple[str, str]:
    """The store's URI, empty where it is not said, and the id of a run; also from the URI of a file of the run."""
    given = given.rstrip("/")
    if not given:
        raise StageError(f"the run's name is empty; give {RUN_HELP}")
    if "/" not in given:
        return "", given
    store, separator, rest = f"./{given}".rpartition("/runs/") if _is_relative(given) else given.rpartition("/runs/")
    run_id = rest.split("/")[0]
    if not separator or not run_id:
        raise StageError(f"{given}: must be a run's id, or its URI: s3://bucket/prefix/runs/ID or DIR/runs/ID")
    return _opened_as(store), run_id


def _is_relative(given: str) -> bool:
    return "://" not in given and not given.startswith("/")


def _opened_as(store: str) -> str:
    """Commands on this machine print the embedded server's bucket; where nothing gives keys to S3, it is meant."""
    from medseg.storage.embedded import BUCKET

    keys = any(os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"))
    return EMBEDDED if store == f"s3://{BUCKET}" and not keys else store
