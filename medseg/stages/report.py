"""All that a run left in the store becomes one ranked report, whatever state the run is in."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from medseg import artifacts
from medseg.artifacts import LEADERBOARD_FILE, REPORT_FILE
from medseg.errors import StageError
from medseg.reporting.leaderboard import LeaderboardRow, rank_models
from medseg.reporting.run_reader import read_run
from medseg.reporting.tables import leaderboard_csv, leaderboard_markdown
from medseg.storage import open_store

log = logging.getLogger(__name__)

REPORT_FOLDER = "report"
MARKDOWN_FILE = "leaderboard.md"


def report(run_uri: str) -> str:
    """Write ``report/`` with the page, ``leaderboard.csv`` and ``leaderboard.md``; return the URI of the page.

    Missing or damaged results are named in the report and stop nothing; it is made anew at every call.

    Raises:
        StorageError: the store cannot be read or written.
    """
    from medseg.reporting.page import render  # draws with matplotlib, which the other functions here need not load

    results = read_run(run_uri)
    rows = rank_models(results)
    for fault in results.faults:
        log.warning("report: %s", fault)
    title = results.recipe.name if results.recipe else run_uri.rstrip("/").rsplit("/", 1)[-1]
    store = open_store(artifacts.join(run_uri, REPORT_FOLDER))
    with tempfile.TemporaryDirectory(prefix="medseg-report-") as scratch:
        folder = Path(scratch)
        (folder / LEADERBOARD_FILE).write_bytes(leaderboard_csv(rows))
        (folder / MARKDOWN_FILE).write_text(leaderboard_markdown(rows, title), encoding="utf-8")
        (folder / REPORT_FILE).write_text(render(results, rows), encoding="utf-8")
        store.put_folder(folder, marker=REPORT_FILE)
    return artifacts.join(run_uri, REPORT_FOLDER, REPORT_FILE)


def leaderboard(run_uri: str) -> list[LeaderboardRow]:
    """The ranking alone, read from the run's scores."""
    return rank_models(read_run(run_uri))


def require_success(run_uri: str) -> None:
    """Pass only a run in which every training of every model has scores.

    Raises:
        StageError: names each model that has none, its reason, and where the results of the others are.
    """
    rows = leaderboard(run_uri)
    bad = [f"  {row.model} {row.status}: {row.reason}" for row in rows if row.status != "succeeded"]
    if not rows:
        bad = ["  no model of this run has started"]
    if bad:
        page = artifacts.join(run_uri, REPORT_FOLDER, REPORT_FILE)
        lines = "\n".join(bad)
        raise StageError(
            f"{len(bad)} of {len(rows)} models did not succeed:\n{lines}\n"
            f"The results of the others are in the report, {page}; the same run_id starts again what is missing"
        )
