"""The zoo's table keeps what it is not asked to measure, and a model that fails is a row with its reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from medseg.errors import DataError
from tests.benchmarks import zoo
from tests.benchmarks.zoo import Row, Table

UNET = Row("unet", "2026-01-01", 24.43, 7.72, 0.91, 40, 0.5, 1.25)
FAILED = Row("dpt", "2026-02-02", 137.41, 54.31, failed="ValueError: a | b")


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ") and "---" not in line][1:]


def test_a_later_run_replaces_its_models_and_keeps_the_others() -> None:
    first = Table()
    first.add(FAILED, "slow machine")
    first.add(UNET, "slow machine")
    again = Table(first.markdown())
    again.add(Row("dpt", "2026-03-03", 137.41, 54.31, 0.95, 30, 2.0, 9.0), "fast machine")
    assert rows(again.markdown()) == [
        "| unet | 24.43 | 7.72 | 0.910 | 40 | 0.50 | 1.25 | 2026-01-01 |",
        "| dpt | 137.41 | 54.31 | 0.950 | 30 | 2.00 | 9.00 | 2026-03-03 |",
    ]
    assert again.markdown().endswith("- 2026-01-01: slow machine\n- 2026-03-03: fast machine")


def test_two_machines_of_one_day_are_both_named() -> None:
    table = Table()
    for machine in ("slow machine", "fast machine", "slow machine"):
        table.add(UNET, machine)
    assert table.markdown().endswith("\n- 2026-01-01: slow machine; fast machine")


def test_a_failed_model_shows_what_was_measured_and_why_not_more() -> None:
    assert FAILED.markdown() == "| dpt | 137.41 | 54.31 | – | – | – | – | 2026-02-02, failed: ValueError: a / b |"


def test_a_model_without_a_network_fails_alone_and_the_readme_is_changed_between_its_markers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table()
    table.add(UNET, "slow machine")
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{zoo.MARKERS[0]}\n{table.markdown()}\n{zoo.MARKERS[1]}\nafter\n")
    assert zoo.main(["--readme", str(readme), "nnunet"]) == 1
    text = readme.read_text()
    assert text.startswith(f"before\n{zoo.MARKERS[0]}\n")
    assert text.endswith(f"\n{zoo.MARKERS[1]}\nafter\n")
    kept, failed = rows(text)
    assert kept == UNET.markdown()
    assert "failed: RecipeError: models: nnunet has no network" in failed
    assert "nnunet: failed: RecipeError" in capsys.readouterr().err


def test_a_process_that_is_killed_leaves_what_it_had_told() -> None:
    code = "import os; print('{\"millions\": 1.0}', flush=True); os.kill(os.getpid(), 9)"
    output, failed = zoo._run([sys.executable, "-c", code])
    assert output == '{"millions": 1.0}\n'
    assert failed == "its process ended with -9: without a word"


def test_a_readme_without_a_place_for_the_table_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("no markers")
    with pytest.raises(DataError, match=r"README.md: must hold the lines <!-- zoo --> and <!-- /zoo -->"):
        zoo.main(["--readme", str(readme), "unet"])


def test_the_command_names_the_nearest_model() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.zoo", "unett"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    assert "Nearest: unet" in run.stderr
