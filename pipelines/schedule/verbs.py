"""What each verb of ``schedule`` does on the server, and how an interrupted one is mended."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from medseg.config import Recipe
from medseg.cron import Cron, parse_cron
from medseg.errors import RecipeError
from pipelines.connection import Connection, connect, given
from pipelines.errors import ClusterError
from pipelines.pod_check import check_for_pods
from pipelines.recipe_arguments import given_recipe
from pipelines.schedule import recurring
from pipelines.schedule.quiet import until_quiet
from pipelines.schedule.recurring import Settings, is_on
from pipelines.upload import experiment_id, upload

log = logging.getLogger(__name__)

LATE_S = 15  # a run starts 1 to 10 s after its time


def apply(recipe: Recipe, options: argparse.Namespace) -> int:
    """Make the schedule what the recipe says: nothing changes where it is so already.

    Whatever an interrupted call left behind, the next one mends: it keeps the one that is on and as wanted, and retires
    all others of that name. One that was made and not switched on is not kept, since it may have missed a time.
    """
    cron = _checked(recipe, str(options.recipe))
    with connect(options, recipe.cluster.namespace) as connection:
        found = recurring.find(connection, recipe.name)
        wanted = _wanted(connection, recipe, cron)
        running = [one for one in found if is_on(one)]
        paused = bool(found) and not running
        kept = next((one for one in (running or found) if Settings.of(one) == wanted), None)
        with _gone_over_again(recipe, options):
            if kept is None:
                _add(connection, wanted, running, paused)
            what = "unchanged" if kept else "changed" if found else "scheduled"
            print(f"{recipe.name}: {what}, {wanted.version}")
            _retire(connection, [one for one in found if one is not kept])
    if paused:
        print(f"it stays paused: python -m pipelines schedule resume {given_recipe(options)}{given(options)}")
    else:
        print(_next_start(cron))
    return 0


def pause(recipe: Recipe, options: argparse.Namespace) -> int:
    """Start no more runs; what runs goes on."""
    with connect(options, recipe.cluster.namespace) as connection:
        recurring.switch_off(connection, _there(connection, recipe, options))
    print(f"{recipe.name}: paused; what runs goes on")
    return 0


def resume(recipe: Recipe, options: argparse.Namespace) -> int:
    """Start runs again through an equal schedule: switched on again, the old one would make up for a missed start."""
    with connect(options, recipe.cluster.namespace) as connection:
        found = _there(connection, recipe, options)
        running = [one for one in found if is_on(one)]
        settings = Settings.of((running or found)[0])
        if running:
            print(f"{recipe.name}: is not paused")
        else:
            with _gone_over_again(recipe, options):
                recurring.create(connection, settings, on=True)
                print(f"{recipe.name}: resumed as it was, {settings.version}")
                _retire(connection, found)
    print(_next_start(settings.cron))
    return 0


def delete(recipe: Recipe, options: argparse.Namespace) -> int:
    """Remove the schedule, or only switch it off while a run of it is active.

    Raises:
        ClusterError: a run is active; with how to go on.
    """
    with connect(options, recipe.cluster.namespace) as connection:
        found = _there(connection, recipe, options)
        recurring.switch_off(connection, found)
        if active := recurring.remove(connection, found):
            raise ClusterError(
                f"{recipe.name}: starts no more runs, but is not deleted yet, which would end its run {active[0]}: wait"
                f" for that, or python -m pipelines cancel {active[0]}{given(options)}, and delete again"
            )
    print(f"{recipe.name}: deleted; its runs and reports stay")
    return 0


def show(recipe: Recipe | None, options: argparse.Namespace) -> int:
    """List the schedules of a recipe, or all of ours, with their next starts."""
    with connect(options, recipe.cluster.namespace if recipe else None) as connection:
        found = recurring.find(connection, recipe.name if recipe else None)
        if not found:
            print(f"no schedule in namespace {connection.namespace}")
    for settings, on in ((Settings.of(one), is_on(one)) for one in found):
        when = _next_start(settings.cron) if on else "paused"
        print(f"{settings.name}  {settings.cron}  {when}, {settings.version}")
    return 0


def _checked(recipe: Recipe, where: str) -> str:
    """The recipe's cron, once it is sure that the recipe can start again and again."""
    if recipe.schedule is None:
        raise RecipeError(f"{where}: has no schedule.cron; add it, e.g. --set schedule.cron='0 0 3 * * 1'")
    if recipe.run_id:
        raise RecipeError(
            f"{where}: run_id = {recipe.run_id!r}: every start would write into the same folder of the store, so a"
            " schedule has none: remove it, or --set run_id=null"
        )
    check_for_pods(recipe, where)
    return recipe.schedule.cron


def _wanted(connection: Connection, recipe: Recipe, cron: str) -> Settings:
    version = upload(connection, recipe)
    return Settings(
        name=recipe.name,
        version=version.name,
        pipeline_id=version.pipeline_id,
        version_id=version.version_id,
        experiment_id=experiment_id(connection, recipe),
        service_account=recipe.cluster.service_account,
        cron=cron,
    )


def _add(connection: Connection, wanted: Settings, running: list[Any], paused: bool) -> None:
    """Make a schedule; beside one that runs it is made off and switched on in a moment without starts.

    The first one of all is made on at once: off, an interruption would look as if it had been paused.
    """
    if running:
        _wait_for_quiet([wanted.cron, *(Settings.of(one).cron for one in running)])
    made = recurring.create(connection, wanted, on=not running and not paused)
    if running:
        connection.client.enable_recurring_run(made)


@contextmanager
def _gone_over_again(recipe: Recipe, options: argparse.Namespace) -> Iterator[None]:
    """Tell what a call that breaks inside may leave behind, and what mends it."""
    try:
        yield
    except BaseException:
        log.error(
            "%s: broken off; an earlier schedule and the new one may both start runs until this succeeds:"
            " python -m pipelines schedule apply %s%s",
            recipe.name,
            given_recipe(options),
            given(options),
        )
        raise


def _retire(connection: Connection, others: list[Any]) -> None:
    recurring.switch_off(connection, others)
    for run_id in recurring.remove(connection, others):
        print(f"run {run_id} of the earlier schedule goes on; an apply after its end tidies up behind it")


def _there(connection: Connection, recipe: Recipe, options: argparse.Namespace) -> list[Any]:
    if found := recurring.find(connection, recipe.name):
        return found
    names = ", ".join(sorted({one.display_name for one in recurring.find(connection)}))
    raise ClusterError(
        f"no schedule of {recipe.name} in namespace {connection.namespace}; there are: {names or 'none'}. Make it:"
        f" python -m pipelines schedule apply {given_recipe(options)}{given(options)}"
    )


def _wait_for_quiet(crons: Iterable[str]) -> None:
    """Leave a start that is due, or was a moment ago, to the earlier schedule: else it may be lost or come twice."""
    pause = until_quiet(map(_cron, crons), _now(), timedelta(seconds=LATE_S)).total_seconds()
    if pause:
        print(f"a run is due: waiting {pause:.0f} s for it", flush=True)
        time.sleep(pause)


def _next_start(cron: str) -> str:
    start = _cron(cron).next_after(_now())
    return f"next start {start:%A %Y-%m-%d %H:%M:%S} UTC"


def _cron(text: str) -> Cron:
    """Of a schedule on the server, which somebody may have made by other means."""
    try:
        return parse_cron(text)
    except ValueError as error:
        raise ClusterError(f"a schedule's cron on the server, {text!r}: {error}; delete that schedule there") from None


def _now() -> datetime:
    return datetime.now(UTC)
