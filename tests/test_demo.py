"""The demo does what README says: three models learn on the sample cohort, and a second call redoes nothing."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).resolve().parents[1] / "pipelines" / "recipes" / "demo.yaml"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_demo_ends_with_three_models_that_learned(tmp_path: Path) -> None:
    def call(*words: str) -> str:
        done = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call("medseg.cli", "sample", ".medseg/sample")
    output = call("pipelines", "run", str(RECIPE))
    run = tmp_path / ".medseg/s3/medseg/runs/demo"
    assert output.splitlines()[-1] == f"Report: {(run / 'report/index.html').relative_to(tmp_path)}"
    with (run / "report/leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["model"]: row["status"] for row in rows} == dict.fromkeys(("unet", "segformer", "unet3d"), "succeeded")
    assert float(rows[0]["dice"]) > 0.5
    models = {path: path.stat().st_mtime_ns for path in run.rglob("model.pt")}
    assert call("pipelines", "run", str(RECIPE)).count("is done already") >= 2 * len(models)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("model.pt")} == models
