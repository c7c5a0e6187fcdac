"""The pipeline on one machine: the same DAG as plain processes, against a local folder or the embedded S3 server."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
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


def run(recipe: Recipe) -> int:
    """Run a recipe through ``kfp.local`` and print the leaderboard; 0 where every model succeeded."""
    recipe = recipe.with_run_id()
    with session(recipe.store) as store_uri:
        run_uri = artifacts.run_uri(store_uri, recipe.run_id or "")
        log.info("run %s: %d models, store %s", recipe.run_id, len(recipe.models), recipe.store.uri)
        succeeded = _execute(recipe.model_copy(update={"store": recipe.store.model_copy(update={"uri": store_uri})}))
        _print_result(run_uri)
    return 0 if succeeded else 1


def _execute(recipe: Recipe) -> bool:
    os.environ.setdefault("MEDSEG_CACHE", str((WORK_FOLDER / "cache").absolute()))
    os.environ |= {RUNNER_PID: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
    # kfp warns that our image's name does not hold the word python; tasks run in this very environment
    warnings.filterwarnings("ignore", message="You may be attemping to run a task", category=RuntimeWarning)
    local.init(
        runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(WORK_FOLDER / "kfp"), raise_on_error=True
    )
    try:
        # one training at a time: a second one would take the first one's cores and memory
        with contextlib.redirect_stdout(TaskOutput(sys.stdout)):
            build_pipeline(recipe, parallelism=1)()
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
