"""Runs over time, as text and as a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from medseg.errors import StageError
from medseg.stages.compare import compare, load, page
from tests.reporting.runs import ScratchRun

TEN_CASES = tuple(f"case_{i}" for i in range(10))


def finished(folder: Path, day: int, more: str = "", **shifts: int) -> ScratchRun:
    run = ScratchRun(folder, TEN_CASES, f"demo-{day}")
    run.config(list(shifts), more=more)
    run.environment(f"2026-01-0{day}T00:00:00+00:00", medseg=f"0.{day}")
    for model, shift in shifts.items():
        run.succeed(model, shift)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[ScratchRun]:
    """Three runs: unet falls in the second, fpn comes in the third."""
    folder = tmp_path_factory.mktemp("store")
    return [
        finished(folder, 1, unet=0),
        finished(folder, 2, "evaluate: {overlap: 0.25}\n", unet=1),
        finished(folder, 3, "evaluate: {overlap: 0.25}\n", unet=1, fpn=0),
    ]


def table_rows(text: str, heading: str) -> list[list[str]]:
    """Cells of the rows of the table below a heading."""
    lines = text.split(f"## {heading}\n\n")[1].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_runs_stand_in_the_order_of_their_start_with_mean_dice(runs: list[ScratchRun]) -> None:
    text = compare([load(run.uri) for run in reversed(runs)])
    assert "| Model | demo-1 | demo-2 | demo-3 |" in text
    assert table_rows(text, "Mean Dice over all test cases of each run") == [
        ["unet", "1.0000", "0.6458", "0.6458"],
        ["fpn", "–", "–", "1.0000"],
    ]


def test_every_step_has_change_interval_and_verdict(runs: list[ScratchRun]) -> None:
    text = compare([load(run.uri) for run in runs])
    ((model, before, now, change, cases, p, verdict),) = table_rows(
        text, "From demo-1 to demo-2, over the test cases of both"
    )
    assert (model, before, now, cases, p, verdict) == (
        *("unet", "1.0000", "0.6458", "10", "0.0020"),
        "worse; other settings: evaluate.overlap",
    )
    assert change.startswith("-0.3542 (-0.3")
    assert [row[-1] for row in table_rows(text, "From demo-2 to demo-3, over the test cases of both")] == [
        "no significant change",
        "no scores in run demo-2",
    ]


def test_what_else_differs_is_told_by_its_key(runs: list[ScratchRun]) -> None:
    text = compare([load(run.uri) for run in runs])
    assert table_rows(text, "What else changed from demo-1 to demo-2") == [
        ["evaluate.overlap", "0.5", "0.25"],
        ["medseg", "0.1", "0.2"],
    ]
    assert ["models.fpn", "–", "as it is"] in table_rows(text, "What else changed from demo-2 to demo-3")


def test_the_page_needs_no_other_file_and_is_equal_for_equal_runs(runs: list[ScratchRun]) -> None:
    loaded = [load(run.uri) for run in runs]
    first = page(loaded)
    assert first == page(loaded)
    assert 'src="data:image/svg+xml' in first
    assert "http" not in first.split("<body>")[1].replace("data:image", "")
    assert "unet ends at 0.6458, fpn ends at 1.0000" in first


def test_runs_that_cannot_be_compared_are_named(runs: list[ScratchRun], tmp_path: Path) -> None:
    with pytest.raises(StageError, match="run demo-1 is given more than once"):
        compare([load(runs[0].uri), load(runs[0].uri)])
    with pytest.raises(StageError, match=r"runs/demo-9: no such run; runs in this store: demo-1, demo-2, demo-3"):
        load(runs[0].uri.replace("demo-1", "demo-9"))
    dead = ScratchRun(tmp_path, run_id="dead")
    dead.config(["unet"])
    with pytest.raises(StageError, match="runs/dead: has no scores to compare; unet seed 0 fold 0: never started"):
        load(dead.uri)
