"""The pipeline on one machine: the same DAG as processes or containers, against a folder or the embedded S3 server."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from kfp import local

from components.task import RUNNER_PID
from medseg import artifacts
from medseg.config import Recipe
from medseg.errors import MedsegError
from medseg.reporting.tables import format_leaderboard
from medseg.stages.report import leaderboard
from medseg.storage import session, shown
from pipelines.benchmark import build_pipeline
from pipelines.output import TaskOutput

log = logging.getLogger(__name__)

WORK_FOLDER = Path(".medseg")

Runner = Callable[[Recipe], AbstractContextManager[local.SubprocessRunner | local.DockerRunner]]


@contextlib.contextmanager
def processes(_: Recipe) -> Iterator[local.SubprocessRunner]:
    """Steps are processes of this very environment, and end with this one."""
    os.environ |= {RUNNER_PID: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
    # kfp warns that our image's name does not hold the word python; no image is used
    warnings.filterwarnings("ignore", message="You may be attemping to run a task", category=RuntimeWarning)
    yield local.SubprocessRunner(use_venv=False)


def run(recipe: Recipe, runner: Runner = processes) -> int:
    """Run a recipe through ``kfp.local`` and print the leaderboard; 0 where every model succeeded.

    Args:
        runner: what steps are, ``processes`` or ``pipelines.docker.containers``.
    """
    recipe = recipe.with_run_id()
    with session(recipe.store) as store_uri:
        run_uri = artifacts.run_uri(store_uri, recipe.run_id or "")
        log.info("run %s: %d models, store %s", recipe.run_id, len(recipe.models), recipe.store.uri)
        opened = recipe.model_copy(update={"store": recipe.store.model_copy(update={"uri": store_uri})})
        succeeded = _execute(opened, runner)
        _print_result(run_uri)
    return 0 if succeeded else 1


def _execute(recipe: Recipe, runner: Runner) -> bool:
    os.environ.setdefault("MEDSEG_CACHE", str((WORK_FOLDER / "cache").absolute()))
    # tasks are named for the list of a cluster's UI
    warnings.filterwarnings("ignore", message=r"Task .*: settings \['display_name'\] have no effect")
    outputs = WORK_FOLDER / "kfp"
    outputs.mkdir(parents=True, exist_ok=True)
    try:
        with runner(recipe) as steps, contextlib.redirect_stdout(TaskOutput(sys.stdout)):
            local.init(runner=steps, pipeline_root=str(outputs), raise_on_error=True)
            build_pipeline(recipe, local=True)()
    except RuntimeError as error:
        log.error("%s", error)
        return False
    return True


def _print_result(run_uri: str) -> None:
    try:
        rows = leaderboard(run_uri)
    except MedsegError as error:
        log.error("no leaderboard: %s", error)
        return
    print(f"\n{format_leaderboard(rows)}\n")
    print(f"Report: {shown(artifacts.join(run_uri, 'report', artifacts.REPORT_FILE))}")
