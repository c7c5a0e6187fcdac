"""All that a run left in the store becomes one ranked report, whatever state the run is in."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medseg import artifacts
from medseg.artifacts import METRICS_FILE, REPORT_FILE, RESULTS_FILE, RESULTS_SCHEMA_FILE, SUMMARY_FILE
from medseg.errors import StageError
from medseg.metrics.ranking import Comparison
from medseg.reporting.changes import describe_worse
from medseg.reporting.comparisons import comparisons
from medseg.reporting.leaderboard import rank_models
from medseg.reporting.leaderboard_row import LeaderboardRow, outcome
from medseg.reporting.results import RunResults
from medseg.reporting.run_reader import read_run
from medseg.reporting.run_records import record_of, write_record
from medseg.reporting.trend import Trend, find_trend
from medseg.stages.record import now
from medseg.storage import Store, open_store

log = logging.getLogger(__name__)

REPORT_FOLDER = "report"
MODELS_FOLDER = "models"
TENSORBOARD_FOLDER = "tensorboard"
MARKDOWN_FILE = "leaderboard.md"


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
        uri: of its page.
        rows: its leaderboard.
    """

    uri: str
    rows: list[LeaderboardRow]


def report(run_uri: str) -> Report:
    """Write ``report/`` with the page, the tables and ``results.json``.

    Missing or damaged results are named in the report and stop nothing; it is made anew at every call. A finished run
    is remembered in the store's ``leaderboard/``, where later runs of its name find it.

    Raises:
        StorageError: the store cannot be read or written.
    """
    # these draw with matplotlib, which the other functions here need not load
    from medseg.reporting.gallery import gallery
    from medseg.reporting.page import render
    from medseg.reporting.tensorboard import write_tensorboard

    made = now()
    results = read_run(run_uri)
    trend, faults = find_trend(results)
    results = replace(results, faults=[*results.faults, *faults])
    compared = comparisons(results)
    rows = rank_models(results, compared)
    for fault in results.faults:
        log.warning("report: %s", fault)
    with tempfile.TemporaryDirectory(prefix="medseg-report-") as scratch:
        folder = Path(scratch)
        for name, data in _files(results, rows, compared, trend, made).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        drawn = gallery(results, [row.model for row in rows])
        page = render(results, rows, compared, trend, drawn, made)
        (folder / REPORT_FILE).write_text(page, encoding="utf-8")
        write_tensorboard(results, drawn, folder / TENSORBOARD_FOLDER)
        _put(folder, open_store(artifacts.join(run_uri, REPORT_FOLDER)))
    if record := record_of(results, rows):
        write_record(record, artifacts.store_uri_of_run(run_uri))
    return Report(artifacts.join(run_uri, REPORT_FOLDER, REPORT_FILE), rows)


def _put(folder: Path, store: Store) -> None:
    """Upload a report, and remove what an earlier one said of models that are no longer there."""
    store.put_folder(folder, marker=REPORT_FILE)
    for item in store.list():
        if not (folder / item.key).is_file():
            store.delete(item.key)


def leaderboard(run_uri: str) -> list[LeaderboardRow]:
    """The ranking alone, read from the run's scores."""
    results = read_run(run_uri)
    return rank_models(results, comparisons(results))


def require_success(run_uri: str) -> None:
    """Pass only a run in which every training of every model has scores.

    A model that is significantly worse than in the last finished run of this name that scored it is a warning, or with
    the recipe's ``gate.fail_if_worse`` a fault too.

    Raises:
        StageError: names each model without scores, its reason, and where the results of the others are; or each model
            that is worse, its numbers and the run before.
    """
    results = read_run(run_uri)
    outcomes = {model: outcome(results.of_model(model)) for model in results.models}
    bad = [f"  {model} {state}: {reason}" for model, (state, reason) in outcomes.items() if state != "succeeded"]
    if not outcomes:
        bad = ["  no model of this run has started"]
    if bad:
        page = artifacts.join(run_uri, REPORT_FOLDER, REPORT_FILE)
        lines = "\n".join(bad)
        raise StageError(
            f"{len(bad)} of {len(outcomes)} models did not succeed:\n{lines}\n"
            f"The results of the others are in the report, {page}; the same run_id starts again what is missing"
        )
    _refuse_worse(results)


def _refuse_worse(results: RunResults) -> None:
    trend, faults = find_trend(results)
    for fault in faults:
        log.warning("gate: %s", fault)
    if not trend or not trend.worse:
        return
    lines = "\n".join(f"  {describe_worse(change)}" for change in trend.worse)
    message = f"significantly worse than before:\n{lines}"
    if results.recipe and results.recipe.gate.fail_if_worse:
        raise StageError(f"{message}\nThe recipe asks for this to fail (gate.fail_if_worse)")
    log.warning("gate: %s", message)


def _files(
    results: RunResults,
    rows: Sequence[LeaderboardRow],
    compared: Mapping[str, Comparison],
    trend: Trend | None,
    made: str,
) -> dict[str, bytes]:
    """What lies beside the page, by its path in the report's folder."""
    from medseg.reporting import score_tables
    from medseg.reporting.results_file import schema
    from medseg.reporting.results_of_run import results_of_run
    from medseg.reporting.summary import summary_markdown

    models = [row.model for row in rows if row.trainings_succeeded]
    classes = score_tables.classes_table(results, models)
    lesions = score_tables.lesions_table(classes)
    cases = score_tables.cases_table(results, models)
    tables = (
        score_tables.leaderboard_table(rows),
        classes,
        *([lesions] if lesions.rows else []),
        score_tables.pairs_table(compared),
        score_tables.ranks_table(compared),
        cases,
    )
    files = {name: data for table in tables for name, data in table.files().items()}
    files[MARKDOWN_FILE] = summary_markdown(rows, results.title, trend).encode()
    found = results_of_run(results, rows, compared, trend, made)
    files[RESULTS_FILE] = found.to_bytes()
    files[RESULTS_SCHEMA_FILE] = schema()
    for model in models:
        own = replace(cases, rows=[row for row in cases.rows if row["model"] == model])
        files[f"{MODELS_FOLDER}/{model}/{METRICS_FILE}"] = own.csv()
    for summary in (summary for summary in found.models if summary.model in models):
        files[f"{MODELS_FOLDER}/{summary.model}/{SUMMARY_FILE}"] = summary.to_bytes()
    return files
