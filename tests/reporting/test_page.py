"""What stands on the page, by results that are given."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from medseg.artifacts import CalibrationBin
from medseg.reporting.changes import Change
from medseg.reporting.comparisons import comparisons
from medseg.reporting.gallery import gallery
from medseg.reporting.leaderboard import rank_models
from medseg.reporting.page import render
from medseg.reporting.run_reader import read_run
from medseg.reporting.trend import Trend
from tests.reporting.runs import ScratchRun

COUNTS = [[900, 10, 0], [5, 80, 15], [0, 2, 8]]
SURE = [
    CalibrationBin(low=0.0, high=0.5, voxels=9, probability=0.1, foreground=0.0),
    CalibrationBin(low=0.5, high=1.0, voxels=4, probability=0.9, foreground=0.5),
]

WORSE = Change("unet", "demo-0", "2026-01-01", 0.9, 0.8, 3, -0.2, -0.05, p=0.001, p_holm=0.002, worse=True)


def rendered(run: ScratchRun, trend: Trend | None = None) -> str:
    results = read_run(run.uri)
    compared = comparisons(results)
    rows = rank_models(results, compared)
    return render(results, rows, compared, trend, gallery(results, [row.model for row in rows]))


def headings(page: str) -> list[str]:
    return [part.split('"', 1)[0] for part in page.split('<h2 id="')[1:]]


@pytest.fixture
def run(tmp_path: Path) -> ScratchRun:
    run = ScratchRun(tmp_path, cases=("case_1", "case_2"))
    run.config(["unet", "fpn"], seeds=(0, 1))
    return run


def test_sections_come_by_importance(run: ScratchRun):
    for seed in (0, 1):
        run.succeed("unet", seed, seed, confusion=COUNTS, calibration=SURE)
        run.succeed("fpn", 2, seed, confusion=COUNTS, calibration=SURE, seconds_per_case=0.1)
    run.status("fpn", "failed", seed=2, reason="out of memory")
    trend = Trend((WORSE,))
    assert headings(rendered(run, trend)) == [
        *("worse", "leaderboard", "meaning", "trend", "data", "curves", "cases", "classes", "confusion"),
        *("calibration", "failures", "gallery", "disagreements", "definitions"),
    ]
    run.delete("fpn", "status.json", seed=2)
    assert headings(rendered(run))[5:11] == ["classes", "confusion", "significance", "stability", "pairs", "costs"]


def test_what_was_not_measured_is_left_out(run: ScratchRun):
    run.config(["unet"])
    run.succeed("unet", 1)
    page = rendered(run)
    assert headings(page) == [
        *("leaderboard", "meaning", "data", "curves", "cases", "classes", "gallery", "definitions"),
    ]
    assert "GMACs of a patch</button>" not in page


def test_counts_and_calibration_of_all_trainings_are_added(run: ScratchRun):
    for seed in (0, 1):
        run.succeed("unet", 1, seed, confusion=COUNTS, calibration=SURE)
    page = rendered(run)
    assert "<td>1,800</td><td>20</td><td>0</td>" in page
    assert "predicted rightly 98.9% of background, 80.0% of liver, 80.0% of tumour." in page
    assert "<td>0.4000</td>" in page  # |0.9 - 0.5|; the first bin does not count


def test_models_that_got_worse_are_named_before_all_else(run: ScratchRun):
    run.succeed("unet", 1)
    changes = (
        WORSE,
        replace(WORSE, model="fpn", now=0.95, low=0.04, high=0.06, worse=False, better=True),
        Change("segformer", "demo-0", "2026-01-01", note="no scores in run demo-1"),
    )
    page = rendered(run, Trend(changes))
    notice, table = page.index("Dice 0.8000, was 0.9000 in run demo-0, started 2026-01-01"), page.index('id="trend"')
    assert notice < page.index('id="leaderboard"') < table
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page[table : page.index('id="data"')])
    assert cells[:6] == ["0.9000", "0.8000", "-0.1000 (-0.2000 to -0.0500)", "3", "0.0020", "worse"]
    assert cells[8] == "0.0500 (0.0400 to 0.0600)"
    assert (cells[11], cells[17]) == ("better", "no scores in run demo-1")
    assert "No model got significantly worse." not in page


def test_damaged_counts_are_left_out(run: ScratchRun):
    run.succeed("unet", 1, confusion=[[1, 2], [3, 4]])  # of other classes
    assert "confusion" not in headings(rendered(run))
