"""Every damaged file of a run is named with its fault, and nothing that is incomplete is ranked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medseg import artifacts
from medseg.errors import StorageError
from medseg.reporting.results import RunResults
from medseg.reporting.run_reader import read_run
from medseg.reporting.sections.voxels import calibration, confusions
from medseg.storage import open_store
from tests.reporting.runs import ScratchRun

METRICS = f"unet/seed-0/fold-0/{artifacts.METRICS_FILE}"
SUMMARY = f"unet/seed-0/fold-0/{artifacts.SUMMARY_FILE}"
STATUS = f"unet/seed-0/fold-0/{artifacts.STATUS_FILE}"
HISTORY = f"unet/seed-0/fold-0/{artifacts.HISTORY_FILE}"
COUNTS = [[9, 1, 0], [0, 5, 0], [0, 0, 5]]


def bins(count: int, **values: Any) -> list[dict[str, Any]]:
    """Of equal width and ten voxels each."""
    one = {"voxels": 10, "probability": 0.5, "foreground": 0.5}
    return [{"low": place / count, "high": (place + 1) / count, **one, **values} for place in range(count)]


@pytest.fixture
def run(tmp_path: Path) -> ScratchRun:
    """One model with scores of three cases, two classes each."""
    run = ScratchRun(tmp_path)
    run.config(["unet"])
    run.environment("2026-01-01T00:00:00+00:00")
    run.succeed("unet")
    return run


def rewrite(run: ScratchRun, key: str, change: Callable[[bytes], bytes]) -> None:
    run.store.put_bytes(key, change(run.store.get_bytes(key)))


def rewrite_json(run: ScratchRun, key: str, **values: Any) -> None:
    rewrite(run, key, lambda data: json.dumps(json.loads(data) | values).encode())


def only_fault(results: RunResults, key: str) -> str:
    (fault,) = results.faults
    assert fault.startswith(f"{results.run_uri}/{key}: ")
    return fault


def rows(data: bytes) -> list[bytes]:
    """The header and one row per case and class."""
    return data.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("damage", "faults"),
    [
        (lambda data: b"".join(rows(data)[:-1]), "1 missing (first 'case_3', 'tumour')"),
        (lambda data: b"".join(rows(data)[:-2]), "2 missing (first 'case_3', 'liver')"),
        (lambda data: data + rows(data)[1], "1 doubled (first 'case_1', 'liver')"),
        (lambda data: data + rows(data)[1].replace(b"case_1", b"case_7"), "1 unknown (first 'case_7', 'liver')"),
        (
            lambda data: data.replace(b"liver", b"kidney"),
            "3 missing (first 'case_1', 'liver'), 3 unknown (first 'case_1', 'kidney')",
        ),
    ],
)
def test_scores_of_other_cases_or_classes_do_not_count(run: ScratchRun, damage, faults):
    rewrite(run, METRICS, damage)
    (unit,) = read_run(run.uri).units
    assert (unit.state, unit.rows) == ("incomplete", [])
    assert unit.reason == (
        f"{run.uri}/{METRICS}: must hold one row for each of 3 test cases and 2 classes; {faults}; run evaluate again"
    )


def test_without_data_set_and_split_every_training_must_have_what_the_others_have(run: ScratchRun):
    run.succeed("unet", seed=1)
    rewrite(run, METRICS, lambda data: b"".join(rows(data)[:-1]))
    open_store(run.dataset_uri).delete(artifacts.DATASET_FILE)
    open_store(run.preprocessed_uri).delete(artifacts.SPLITS_FILE)
    cut, whole = read_run(run.uri).units
    assert (cut.state, whole.state) == ("incomplete", "succeeded")
    assert "1 missing (first 'case_3', 'tumour')" in cut.reason


@pytest.mark.parametrize(
    "values",
    [
        {"confusion": [[1, 2, 3], [1], [2, 3, 4]]},
        {"confusion": [[], [], []]},
        {"confusion": [[-5, 1], [0, 1]]},
        {"confusion": [[10**30, 1], [0, 1]]},
        {"calibration": bins(2, voxels=-1)},
        {"calibration": bins(2, probability=7.0)},
        {"calibration": bins(2, foreground=float("nan"))},
        {"calibration": bins(2, high=float("inf"))},
        {"seconds_per_case": -1.0},
        {"train_seconds": float("inf")},
        {"train_seconds": 1e300},
        {"parameters": 0},
        {"multiply_adds": 2**63},
        {"train_peak_bytes": -1},
        {"dataset_uri": ""},
        {"dataset_uri": "foo://bar"},
        {"dataset_uri": "s3://"},
        {"dataset_uri": "s3://[bucket"},
        {"preprocessed_uri": "s3:///prefix"},
    ],
    ids=str,
)
def test_an_impossible_summary_is_named_with_its_field(run: ScratchRun, values: dict[str, Any]):
    rewrite_json(run, SUMMARY, **values)
    results = read_run(run.uri)
    assert next(iter(values)) in only_fault(results, SUMMARY)
    assert [(unit.state, unit.rows, unit.reason) for unit in results.units] == [("incomplete", [], results.faults[0])]


@pytest.mark.parametrize("uri", ["", "foo://bar", "s3://", "file://"])
def test_a_status_that_names_no_store_is_a_fault(run: ScratchRun, uri: str):
    rewrite_json(run, STATUS, preprocessed_uri=uri)
    assert only_fault(read_run(run.uri), STATUS) == (
        f"{run.uri}/{STATUS}: not a readable Status file: preprocessed_uri: must name a store: s3://bucket/prefix,"
        f" or a folder, got {uri!r}; delete it and run the stage that wrote it again"
    )


def test_a_plan_that_names_no_store_is_a_fault(run: ScratchRun):
    run.delete("unet", artifacts.SUMMARY_FILE)
    preprocessed = open_store(run.preprocessed_uri)
    plan = json.loads(preprocessed.get_bytes(artifacts.PLAN_FILE)) | {"dataset_uri": "foo://bar"}
    preprocessed.put_bytes(artifacts.PLAN_FILE, json.dumps(plan).encode())
    assert "plan.json: not a readable Plan file: dataset_uri" in read_run(run.uri).faults[0]


def test_a_store_that_does_not_answer_is_an_error(run: ScratchRun, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "no endpoint")
    rewrite_json(run, SUMMARY, dataset_uri="s3://bucket/elsewhere")
    with pytest.raises(StorageError, match="no endpoint"):
        read_run(run.uri)


@pytest.mark.parametrize(
    "data",
    [
        b"epoch,train_loss,validation_dice\r0,1,1\r1,2,1\r",
        b"epoch,train_loss,validation_dice\n" + b"9" * 4000 + b",1,1\n",
        b"epoch,train_loss,validation_dice\n-1,1,1\n",
        b"epoch,train_loss,validation_dice\n0,1,1.5\n",
        b"epoch,train_loss\n0,1\n",
        bytes(range(256)),
        b"\0" * 100,
    ],
    ids=["only CR", "far epoch", "negative epoch", "Dice above 1", "column missing", "binary", "zeros"],
)
def test_a_damaged_history_is_named_and_the_scores_count(run: ScratchRun, data: bytes):
    run.store.put_bytes(HISTORY, data)
    results = read_run(run.uri)
    assert "not a readable training history" in only_fault(results, HISTORY)
    assert [(unit.state, unit.history) for unit in results.units] == [("succeeded", [])]


def test_losses_without_a_place_on_an_axis_are_no_points(run: ScratchRun):
    losses = ("0.5", "nan", "inf", "-inf", "1e308", "-1e308", "-0.5")
    lines = [f"{epoch},{loss}," for epoch, loss in enumerate(losses)]
    run.store.put_bytes(HISTORY, "\n".join(["epoch,train_loss,validation_dice", *lines]).encode())
    (unit,) = read_run(run.uri).units
    assert [point.train_loss for point in unit.history] == [0.5, *[None] * 5, -0.5]


@pytest.mark.parametrize(
    ("key", "data"),
    [
        (artifacts.ENVIRONMENT_FILE, b'{"a":' * 5000),
        (artifacts.ENVIRONMENT_FILE, b'{"a": "\\ud800"}'),
        (artifacts.ENVIRONMENT_FILE, b'{"a": ' + b"9" * 5000 + b"}"),
        (artifacts.ENVIRONMENT_FILE, b"[1]"),
        (artifacts.CONFIG_FILE, b"[" * 5000),
        (artifacts.CONFIG_FILE, b"\xff"),
        (artifacts.CONFIG_FILE, b'name: demo\ndataset: {name: "\\ud800"}\nmodels: [unet]\n'),
    ],
    ids=[
        "deep",
        "half a letter",
        "long number",
        "no object",
        "deep recipe",
        "binary recipe",
        "half a letter in the recipe",
    ],
)
def test_a_damaged_file_of_the_run_is_named_and_the_scores_count(run: ScratchRun, key: str, data: bytes):
    run.store.put_bytes(key, data)
    results = read_run(run.uri)
    only_fault(results, key)
    assert [unit.state for unit in results.units] == ["succeeded"]


def test_figures_of_another_shape_are_left_out_and_named(run: ScratchRun):
    run.succeed("unet", seed=0, confusion=COUNTS, calibration=bins(12))
    run.succeed("unet", seed=1, confusion=[[1, 2], [3, 4]], calibration=bins(3, foreground=1.0))
    run.succeed("unet", seed=2, confusion=COUNTS, calibration=bins(12))
    results = read_run(run.uri)
    odd = f"{run.uri}/unet/seed-1/fold-0/{artifacts.SUMMARY_FILE}"
    assert results.faults == [
        f"{odd}: confusion has 2 classes, the data set 3; it is left out",
        f"{odd}: calibration has other bins than that of unet's first training; it is left out",
    ]
    (drawn,) = confusions(results, ["unet"])
    assert drawn.counts.tolist() == [[2 * count for count in row] for row in COUNTS]
    shown = calibration(results, ["unet"], ["unet"])
    assert shown is not None
    assert shown.errors == {"unet": 0.0}
