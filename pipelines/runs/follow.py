"""Following a run to its end: one line for each change, through short outages of the API."""

from __future__ import annotations

import logging
import time
from typing import Any

from pipelines.connection import Connection
from pipelines.runs.find import get_run
from pipelines.runs.plan import Plan
from pipelines.runs.progress import describe, progress
from pipelines.runs.tasks import ENDED

log = logging.getLogger(__name__)

LOOK_S = 5.0
OUTAGE_S = 900.0
LONGEST_PAUSE_S = 30.0
PASSING = (0, 408, 429, 500, 502, 503, 504)


def follow(connection: Connection, run_id: str, plan: Plan, look_s: float = LOOK_S) -> Any:
    """Log what changes until the run has ended; the ended run.

    Raises:
        ClusterError: the API gave no answer for longer than an outage lasts, or refuses; the run goes on.
    """
    told: dict[str, str] = {}
    while True:
        run = _patiently(connection, run_id, look_s)
        now = {"run": describe(run), **progress(run, plan)}
        for part, words in now.items():
            if told.get(part, "waits") != words:
                _tell(part, words)
        told = now
        if run.state in ENDED:
            return run
        time.sleep(look_s)


def _patiently(connection: Connection, run_id: str, look_s: float) -> Any:
    """The run, asked for again with growing pauses while there is no answer."""
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    lost: float | None = None
    pause = look_s
    while True:
        try:
            run = get_run(connection, run_id)
        except (ApiException, HTTPError) as error:
            if getattr(error, "status", 0) not in PASSING or (lost and time.monotonic() - lost > OUTAGE_S):
                raise
            if lost is None:
                lost = time.monotonic()
                _tell("api", f"no answer from {connection.endpoint}, asking again")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        else:
            if lost:
                _tell("api", "answers again")
            return run


def _tell(part: str, words: str) -> None:
    log.info("%s  %s: %s", time.strftime("%H:%M:%S"), part, words)
