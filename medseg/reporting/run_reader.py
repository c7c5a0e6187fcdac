"""What a run left in the store, read unit by unit; every missing or damaged file is named and stops nothing."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from typing import Any, TypeVar

import yaml
from pydantic_core import from_json

from medseg import artifacts
from medseg.artifacts import Dataset, Plan, Splits, Status, Summary
from medseg.config import Recipe, recipe_from_yaml
from medseg.data.cases import read_cases
from medseg.errors import DataError, NotFoundError, RecipeError
from medseg.metrics.aggregate import case_names, class_names
from medseg.metrics.table import ScoreRow, read_metrics
from medseg.reporting.completeness import odd_figures, with_whole_scores
from medseg.reporting.results import HistoryPoint, RunResults, State, UnitResult
from medseg.storage import Store, open_store
from medseg.types import Case

T = TypeVar("T")
Unit = tuple[str, int, int]  # model, seed, fold

# ValueError: text that is neither UTF-8 nor JSON. A store that does not answer is no damaged file and is not here
UNREADABLE = (DataError, RecipeError, NotFoundError, ValueError, yaml.YAMLError)

HISTORY_COLUMNS = ("epoch", "train_loss", "validation_dice")
MOST_EPOCHS = 10**9
LARGEST_LOSS = 1e30  # the axis of a greater one overflows


class _Reader:
    """Reads files of one folder, noting what is there but cannot be read."""

    def __init__(self, store: Store, faults: list[str]) -> None:
        self.store = store
        self.faults = faults

    def read(self, key: str, parse: Callable[[bytes, str], T]) -> T | None:
        """The parsed file; None where it is absent, or unreadable and noted."""
        uri = artifacts.join(self.store.uri, key)
        try:
            return parse(self.store.get_bytes(key), uri) if self.store.exists(key) else None
        except UNREADABLE as error:
            text = " ".join(str(error).split())
            self.faults.append(text if uri in text else f"{uri}: cannot be read: {text}")
        except RecursionError:
            self.faults.append(f"{uri}: cannot be read: it is nested too deeply")
        return None


def read_run(run_uri: str) -> RunResults:
    """Read everything that a report needs, whatever state the run is in.

    Raises:
        StorageError: the store itself cannot be reached.
    """
    faults: list[str] = []
    run = _Reader(open_store(run_uri), faults)
    recipe = run.read(artifacts.CONFIG_FILE, lambda data, uri: recipe_from_yaml(data.decode(), uri))
    environment = run.read(artifacts.ENVIRONMENT_FILE, _environment) or {}
    units = [_read_unit(run_uri, unit, faults) for unit in _units(recipe, run.store)]
    store_uri = artifacts.store_uri_of_run(run_uri)
    plan, splits = _read_preprocessed(store_uri, units, faults)
    dataset_uri = _first(u.summary.dataset_uri for u in units if u.summary) or (plan.dataset_uri if plan else None)
    dataset_uri = dataset_uri and artifacts.in_store(store_uri, dataset_uri)
    dataset, cases = _read_dataset(dataset_uri, faults)
    test_cases = splits.test if splits else case_names(unit.rows for unit in units)
    classes = list(dataset.foreground) if dataset else class_names(unit.rows for unit in units)
    units = [with_whole_scores(unit, test_cases, classes) for unit in units]
    faults += odd_figures([unit for unit in units if unit.rows], dataset.labels if dataset else ())
    return RunResults(
        run_uri=run_uri,
        recipe=recipe,
        environment=environment,
        units=units,
        dataset=dataset,
        dataset_uri=dataset_uri,
        cases=cases,
        plan=plan,
        splits=splits,
        faults=faults,
    )


def _units(recipe: Recipe | None, run: Store) -> list[Unit]:
    """What the recipe asks for, then what lies in the run's folder besides."""
    asked: list[Unit] = []
    if recipe:
        asked = [
            (entry.model, seed, fold)
            for entry in recipe.models
            for seed in recipe.train.seeds
            for fold in range(recipe.split.folds)
        ]
    found = {unit for item in run.list() if (unit := _unit_of_key(item.key))}
    order = {model: index for index, (model, _, _) in enumerate(asked)}
    return sorted(found | set(asked), key=lambda unit: (order.get(unit[0], len(asked)), unit))


def _unit_of_key(key: str) -> Unit | None:
    """Model, seed and fold of ``<model>/seed-<s>/fold-<f>/<file>``."""
    match key.split("/"):
        case [model, seed, fold, artifacts.STATUS_FILE | artifacts.SUMMARY_FILE | artifacts.METRICS_FILE]:
            numbers = (seed.removeprefix("seed-"), fold.removeprefix("fold-"))
            return (model, int(numbers[0]), int(numbers[1])) if all(n.isdecimal() for n in numbers) else None
    return None


def _read_unit(run_uri: str, unit: Unit, faults: list[str]) -> UnitResult:
    model, seed, fold = unit
    own_faults: list[str] = []
    reader = _Reader(open_store(artifacts.join(run_uri, artifacts.unit_key(*unit))), own_faults)
    status = reader.read(artifacts.STATUS_FILE, Status.from_bytes)
    summary = reader.read(artifacts.SUMMARY_FILE, Summary.from_bytes)
    rows = reader.read(artifacts.METRICS_FILE, read_metrics) or []
    state, reason = _state(status, summary, rows, own_faults)
    history = reader.read(artifacts.HISTORY_FILE, _history) or []
    faults += own_faults
    return UnitResult(
        model,
        seed,
        fold,
        reader.store.uri,
        state,
        reason,
        status,
        summary,
        rows if state == "succeeded" else [],
        history,
    )


def _state(
    status: Status | None, summary: Summary | None, rows: list[ScoreRow], faults: list[str]
) -> tuple[State, str]:
    if status and status.state == "failed":
        return "failed", status.reason or f"failed in {status.stage} without a reason"
    if faults:
        return "incomplete", "; ".join(faults)
    if status is None and (summary or rows):
        return "incomplete", f"{artifacts.STATUS_FILE} missing beside its scores; run train and evaluate again"
    if status is None:
        return "incomplete", "never started: its pod died, or a stage before it failed"
    if status.state == "running":
        return "incomplete", f"stopped in {status.stage}: no sign of life since {status.updated}"
    missing = [name for name, there in ((artifacts.SUMMARY_FILE, summary), (artifacts.METRICS_FILE, rows)) if not there]
    if missing:
        return "incomplete", f"{' and '.join(missing)} missing or empty; run evaluate again"
    return "succeeded", ""


def _read_preprocessed(store_uri: str, units: list[UnitResult], faults: list[str]) -> tuple[Plan | None, Splits | None]:
    uri = _first(u.status.preprocessed_uri for u in units if u.status)
    if not uri:
        return None, None
    reader = _Reader(open_store(artifacts.in_store(store_uri, uri)), faults)
    return reader.read(artifacts.PLAN_FILE, Plan.from_bytes), reader.read(artifacts.SPLITS_FILE, Splits.from_bytes)


def _read_dataset(uri: str | None, faults: list[str]) -> tuple[Dataset | None, list[Case]]:
    if not uri:
        return None, []
    reader = _Reader(open_store(uri), faults)
    dataset = reader.read(artifacts.DATASET_FILE, Dataset.from_bytes)
    return dataset, reader.read(artifacts.CASES_FILE, lambda data, _: read_cases(data)) or []


def _history(data: bytes, uri: str) -> list[HistoryPoint]:
    try:
        reader = csv.DictReader(io.StringIO(data.decode()))
        missing = [name for name in HISTORY_COLUMNS if name not in (reader.fieldnames or [])]
        if missing:
            raise ValueError(f"columns {', '.join(missing)} are missing")
        return [_history_point(row) for row in reader]
    except (TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{uri}: not a readable training history: {error}") from error


def _history_point(row: dict[str, str]) -> HistoryPoint:
    """A loss that has no place on an axis is None, as the Dice of an epoch without validation."""
    epoch, loss = int(row["epoch"]), float(row["train_loss"])
    dice = float(row["validation_dice"] or "nan")
    if not 0 <= epoch <= MOST_EPOCHS:
        raise ValueError(f"epoch is {epoch}, must be from 0 to {MOST_EPOCHS}")
    if not (math.isnan(dice) or 0 <= dice <= 1):
        raise ValueError(f"validation_dice is {dice}, must be empty or from 0 to 1")
    return HistoryPoint(epoch, loss if abs(loss) <= LARGEST_LOSS else None, None if math.isnan(dice) else dice)


def _environment(data: bytes, uri: str) -> dict[str, Any]:
    environment = from_json(data)
    if not isinstance(environment, dict):
        raise DataError(f"{uri}: must hold a JSON object, got {type(environment).__name__}")
    return environment


def _first(values: Any) -> str | None:
    return next(iter(values), None)
