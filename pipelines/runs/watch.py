"""``--wait``: a run followed to its leaderboard, or left to itself when the person has seen enough."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from medseg.config import Recipe
from pipelines.connection import Connection, given
from pipelines.runs.follow import follow
from pipelines.runs.plan import Plan
from pipelines.runs.progress import failed_parts
from pipelines.runs.results import print_leaderboard

log = logging.getLogger(__name__)


def watch(connection: Connection, run_id: str, plan: Plan, recipe: Recipe, options: argparse.Namespace) -> int:
    """Follow a run and print its leaderboard; 0 only if it succeeded.

    Args:
        recipe: whose store settings reach the run's results from this machine.
    """
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    again, cancel = (f"python -m pipelines {verb} {run_id}{given(options)}" for verb in ("status --wait", "cancel"))
    try:
        run = follow(connection, run_id, plan)
    except KeyboardInterrupt:
        log.info("\nno longer followed; the run goes on. Follow it again: %s\nEnd it: %s", again, cancel)
        return 130
    except (ApiException, HTTPError):
        log.info("the run goes on. Follow it again: %s", again)
        raise
    print_leaderboard(recipe, plan.run_uri, connection.namespace)
    return 0 if run.state == "SUCCEEDED" else _explain(run, plan, options)


def _explain(run: Any, plan: Plan, options: argparse.Namespace) -> int:
    failed = failed_parts(run, plan)
    log.error("the run ended as %s%s", run.state, f": {', '.join(failed)} failed" if failed else "")
    for part in failed:
        log.error("  why: python -m pipelines logs %s %s%s", run.run_id, part, given(options))
    return 1
