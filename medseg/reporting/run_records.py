"""The records of finished runs in the store's ``leaderboard/``, by which later runs find their predecessor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from medseg import artifacts
from medseg.artifacts import RecordedModel, RunRecord
from medseg.config import digest
from medseg.errors import DataError
from medseg.metrics.aggregate import case_names
from medseg.reporting.leaderboard_row import LeaderboardRow
from medseg.reporting.results import RunResults
from medseg.storage import open_store


def record_of(results: RunResults, rows: Sequence[LeaderboardRow]) -> RunRecord | None:
    """What is remembered of a run; None where it is not finished, has no scores or its recipe cannot be read."""
    units = results.units
    if not results.recipe or not any(unit.rows for unit in units) or any(u.state == "incomplete" for u in units):
        return None
    cases = case_names(unit.rows for unit in units)
    fields = RecordedModel.model_fields
    return RunRecord(
        run_id=results.run_id,
        name=results.recipe.name,
        started=results.started,
        finished=max(unit.status.updated for unit in units if unit.status),
        dataset=results.dataset.name if results.dataset else None,
        dataset_version=results.dataset.version if results.dataset else None,
        test_cases=len(cases),
        test_cases_hash=digest(list(cases)),
        models=[RecordedModel(**{key: value for key, value in asdict(row).items() if key in fields}) for row in rows],
    )


def write_record(record: RunRecord, store_uri: str) -> None:
    open_store(artifacts.records_uri(store_uri)).put_bytes(artifacts.record_key(record.run_id), record.to_bytes())


def read_records(store_uri: str) -> tuple[list[RunRecord], list[str]]:
    """Every record of a store, oldest start first, equal ones by id, and what could not be read."""
    store = open_store(artifacts.records_uri(store_uri))
    records, faults = [], []
    for item in store.list():
        try:
            records.append(RunRecord.from_bytes(store.get_bytes(item.key), artifacts.join(store.uri, item.key)))
        except DataError as error:
            faults.append(" ".join(str(error).split()))
    return sorted(records, key=lambda record: (record.started, record.run_id)), faults
