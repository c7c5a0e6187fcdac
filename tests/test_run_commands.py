"""``medseg report`` and ``medseg compare`` find a run by its recipe, its id or its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from medseg.cli import main
from medseg.run_commands import opened_run
from tests.reporting.runs import ScratchRun


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScratchRun:
    """A finished run in the store ``store`` of the folder where commands are given."""
    monkeypatch.chdir(tmp_path)
    return finished(tmp_path / "store", "demo-1", shift=1)


def finished(store: Path, run_id: str, shift: int) -> ScratchRun:
    run = ScratchRun(store, ("case_1", "case_2"), run_id)
    run.config(["unet"])
    run.environment(f"2026-01-0{run_id[-1]}T00:00:00+00:00")
    run.succeed("unet", shift)
    return run


def page(run: ScratchRun) -> Path:
    return Path(run.uri, "report", "index.html")


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ("demo.yaml", ["store=store", "run_id=demo-1"]),
        ("demo.yaml", ["store=store"]),
        ("demo-1", ["store=store"]),
        ("store/runs/demo-1", []),
        ("./store/runs/demo-1/", ["store=elsewhere"]),
        ("store/runs/demo-1/report/index.html", []),
        ("{here}/store/runs/demo-1", []),
        (None, ["dataset.name=any", "store=store", "run_id=demo-1"]),
    ],
)
def test_a_run_is_found_however_it_is_named(
    run: ScratchRun, given: str | None, settings: list[str], tmp_path: Path
) -> None:
    Path("demo.yaml").write_text("dataset: {name: organs}\nmodels: [unet]\n")
    with opened_run(given and given.format(here=tmp_path), settings) as uri:
        assert uri == run.uri


def test_a_report_ends_with_the_leaderboard_and_its_place(run: ScratchRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "demo-1", "--set", "store=store"]) == 0
    printed = capsys.readouterr().out
    assert f"Report: {page(run)}" in printed
    assert "unet   succeeded" in printed
    assert page(run).exists()


@pytest.mark.parametrize("given", ["demo-1", "s3://medseg/runs/demo-1"])
def test_without_a_store_it_is_the_server_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(variable, raising=False)
    finished(tmp_path / ".medseg" / "s3" / "medseg", "demo-1", shift=1)
    with opened_run(given, []) as uri:
        assert uri == "s3://medseg/runs/demo-1"


def test_a_run_whose_pods_died_has_a_report_too(tmp_path: Path) -> None:
    run = ScratchRun(tmp_path)
    run.put("unet", "history.csv", b"")
    run.put("unet", "checkpoint_last.pt", b"")
    run.put("fpn", "metrics.csv", b"case,pati")
    assert main(["report", run.uri]) == 0
    assert "fpn" in page(run).read_text()


@pytest.mark.parametrize("command", [["report"], ["compare", "demo-1"]])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("demo-7", "store/runs/demo-7: no such run; runs in this store: demo-1"),
        ("store/demo-1", "store/demo-1: must be a run's id, or its URI: s3://bucket/prefix/runs/ID or DIR/runs/ID"),
        ("store/runs/demo-8", "store/runs/demo-8: no such run; runs in this store: demo-1"),
        ("nowhere.yaml", "nowhere.yaml: no such recipe"),
    ],
)
def test_a_run_that_is_not_there_is_named_beside_those_that_are(
    run: ScratchRun, command: list[str], given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--set", "store=store"] if given == "demo-7" or "demo-1" in command else []
    assert main([*command, given, *store]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not page(run).exists()


def test_runs_are_compared_by_id_and_place(run: ScratchRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = finished(tmp_path / "elsewhere", "demo-2", shift=0)
    assert main(["compare", other.uri, "store/runs/demo-1", "--html", "runs.html"]) == 0
    printed = capsys.readouterr().out
    assert "| Model | demo-1 | demo-2 |" in printed
    assert "Page: runs.html" in printed
    assert "<html" in Path("runs.html").read_text()


def test_one_run_alone_cannot_be_compared(run: ScratchRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "demo-1", "--set", "store=store"]) == 1
    assert "compare demo-1: needs two runs or more" in capsys.readouterr().err
