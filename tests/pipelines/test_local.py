"""The compiled DAG runs through kfp.local as real processes, goes on after SIGKILL, and leaves nothing running."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.output import TaskOutput
from tests.benchmark_scene import recipe_text, write_balls


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "balls.yaml"
    path.write_text(recipe_text(write_balls(tmp_path / "scans")))
    return path


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(recipe: Path) -> Iterator[Start]:
    """Starts a run of the recipe in a process group of its own, which ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*settings: str) -> subprocess.Popen[str]:
        overrides = [word for setting in settings for word in ("--set", setting)]
        command = [sys.executable, "-m", "pipelines", "run", str(recipe), *overrides]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        started.append(subprocess.Popen(command, cwd=recipe.parent, **pipes, text=True, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def store_of(recipe: Path) -> Path:
    return recipe.parent / ".medseg" / "s3" / "medseg"


def processes_of(folder: Path, but: int = 0) -> list[int]:
    """Processes that run in a folder or serve one below it."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            here = (process / "cwd").resolve() == folder
            serves = str(folder).encode() in (process / "cmdline").read_bytes()
        except OSError:
            continue
        if process.name.isdigit() and int(process.name) not in (os.getpid(), but) and (here or serves):
            found.append(int(process.name))
    return found


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not true within {seconds} s"
        time.sleep(0.2)


def read_until(text: str, process: subprocess.Popen[str]) -> None:
    """Passes once a line holds the text, shows all that was said where the process ends without it."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if text in line:
            return
    pytest.fail(f"exit status {process.wait()}, and nothing of {text!r} in\n{''.join(said)}")


def test_a_run_ends_with_the_leaderboard_and_a_failed_model_fails_it_at_the_gate(recipe: Path, start: Start) -> None:
    process = start("models.0.set={train.learning_rate: 1.0e+38, train.optimizer: sgd}")
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 1, output
    assert "StageError: 1 of 2 models did not succeed" in output
    with (store_of(recipe) / "runs/balls/report/leaderboard.csv").open() as file:
        rows = {row["model"]: row["status"] for row in csv.DictReader(file)}
    assert rows == {"unet3d": "succeeded", "segformer": "failed"}
    assert "Report: " in output.splitlines()[-1]
    assert not processes_of(recipe.parent)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_run_goes_on_from_its_checkpoint_and_redoes_no_finished_model(recipe: Path, start: Start) -> None:
    folder = store_of(recipe) / "runs" / "balls"
    finished, broken = (folder / model / "seed-0" / "fold-0" for model in ("unet3d", "segformer"))
    first = start("models=[{model: unet3d, set: {network.channels: [8, 16]}}]")
    first.communicate(timeout=280)
    assert first.returncode == 0
    trained = (finished / "model.pt").stat().st_mtime_ns
    long = ("models.0.set={train.epochs: 2000}", "train.checkpoint_minutes=0.01")
    killed = start(*long)
    wait_until((broken / "checkpoint_last.pt").exists, 120)
    killed.send_signal(signal.SIGKILL)
    wait_until(lambda: not processes_of(recipe.parent, but=killed.pid), 10)  # not yet reaped, and still its tasks end
    second = start(*long)
    read_until("segformer seed 0: goes on from its checkpoint at step", second)
    assert (finished / "model.pt").stat().st_mtime_ns == trained


def test_ctrl_c_leaves_nothing_running(recipe: Path, start: Start) -> None:
    process = start("train.epochs=2000")
    wait_until(lambda: list(store_of(recipe).glob("runs/balls/*/seed-0/fold-0/history.csv")), 120)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert "the same command goes on from there" in output
    wait_until(lambda: not processes_of(recipe.parent), 10)


def test_the_output_shows_our_lines_without_the_executors_bookkeeping(tmp_path: Path) -> None:
    with (tmp_path / "terminal").open("w") as terminal:
        output = TaskOutput(terminal)
        output.write("    [KFP Executor 2026-01-01 10:00:00,000 INFO]: Got executor_input:\n    {\n")
        output.write('        "inputs": {}\n    }\n    [KFP Executor 2026-01-01 10:00:00,000 INFO]: ingest: 1')
        output.write("6 cases\n12:00:00.000 - INFO - Task 'ingest' outputs:\n    Output: 's3://b'\n")
        output.write("12:00:01.000 - INFO - Executing task 'preprocess'\n")
    lines = (tmp_path / "terminal").read_text().splitlines()
    assert lines == ["    ingest: 16 cases", "12:00:01.000 - INFO - Executing task 'preprocess'"]
