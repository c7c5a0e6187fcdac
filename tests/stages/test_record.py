"""What stands at the top of a run's folder, and which run is the newest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medseg.config import Recipe, load_recipe
from medseg.errors import StageError
from medseg.stages.record import newest_run, record_run
from medseg.storage import open_store
from tests.reporting.runs import ScratchRun

FIRST = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe(None, ["name=demo", "dataset.name=organs", "models=[unet]"])


def environment(run: ScratchRun) -> dict[str, object]:
    found: dict[str, object] = json.loads(run.store.get_bytes("environment.json"))
    return found


def test_a_resumed_run_keeps_its_first_start(tmp_path: Path, recipe: Recipe) -> None:
    run = ScratchRun(tmp_path)
    record_run(recipe, run.uri)
    assert "resumed" not in environment(run)
    run.environment(FIRST, medseg="0.0")
    record_run(recipe, run.uri)
    found = environment(run)
    assert found["started"] == FIRST
    assert str(found["resumed"]) > FIRST
    assert found["medseg"] != "0.0"


@pytest.mark.parametrize("damaged", [b"{", b"[]", b'{"started": null}', b"\xff"])
def test_a_start_that_cannot_be_read_is_written_anew(tmp_path: Path, recipe: Recipe, damaged: bytes) -> None:
    run = ScratchRun(tmp_path)
    run.store.put_bytes("environment.json", damaged)
    record_run(recipe, run.uri)
    assert str(environment(run)["started"]) > FIRST


@pytest.mark.parametrize("damaged", [b"name: [", b"\xff", b"- a", b"models: 3"])
def test_the_newest_run_is_found_past_damaged_ones(
    tmp_path: Path, damaged: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for day in (1, 2):
        run = ScratchRun(tmp_path, run_id=f"demo-{day}")
        run.config(["unet"])
        run.environment(f"2026-01-0{day}T00:00:00+00:00")
    ScratchRun(tmp_path, run_id="without-environment").config(["unet"])
    open_store(f"{tmp_path}/runs/broken").put_bytes("config.yaml", damaged)
    assert newest_run(str(tmp_path), "demo").endswith("runs/demo-2")
    assert "runs/broken is passed by: " in caplog.text
    with pytest.raises(StageError, match="no run of 'other' yet"):
        newest_run(str(tmp_path), "other")
