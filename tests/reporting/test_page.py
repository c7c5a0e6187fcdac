"""What stands on the page, by results that are given."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medseg.artifacts import METRICS_FILE, CalibrationBin
from medseg.metrics.case import score_case
from medseg.metrics.table import ScoreRow, write_metrics
from medseg.reporting.changes import Change
from medseg.reporting.comparisons import comparisons
from medseg.reporting.gallery import Drawing, gallery
from medseg.reporting.leaderboard import rank_models
from medseg.reporting.page import render
from medseg.reporting.run_reader import read_run
from medseg.reporting.trend import Trend
from tests.reporting.runs import LABELS, SCORING, SHAPE, ScratchRun, reference_of

COUNTS = [[900, 10, 0], [5, 80, 15], [0, 2, 8]]
SURE = [
    CalibrationBin(low=0.0, high=0.5, voxels=9, probability=0.1, foreground=0.0),
    CalibrationBin(low=0.5, high=1.0, voxels=4, probability=0.9, foreground=0.5),
]

MADE = "2026-01-02T03:04:05+00:00"
WORSE = Change("unet", "demo-0", "2026-01-01", 0.9, 0.8, 3, -0.2, -0.05, p=0.001, p_holm=0.002, worse=True)


def rendered(run: ScratchRun, trend: Trend | None = None, flat: bool = False) -> str:
    """The page; ``flat``: with its cases drawn as if they had one slice."""
    results = read_run(run.uri)
    compared = comparisons(results)
    rows = rank_models(results, compared)
    drawn = gallery(results, [row.model for row in rows])
    if flat:
        drawn = replace(drawn, models={name: [flattened(one) for one in cases] for name, cases in drawn.models.items()})
    return render(results, rows, compared, trend, drawn, MADE)


def flattened(drawing: Drawing) -> Drawing:
    assert drawing.frame
    return replace(drawing, frame=replace(drawing.frame, slices=(0,), start=0, depth=1))


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


def test_a_matrix_tells_what_voxels_were_taken_for_and_when_the_page_was_made(run: ScratchRun):
    run.succeed("unet", 1, confusion=COUNTS)
    page = rendered(run)
    assert '<th scope="col" class="text">Reference</th><th scope="col">as background</th>' in page
    assert f'<time datetime="{MADE}">2026-01-02 03:04 UTC</time>' in page


def test_a_class_that_is_missed_or_invented_is_said_beside_its_dice_of_0(run: ScratchRun):
    run.config(["unet"])
    run.succeed("unet", 1)
    prediction, rows = np.zeros(SHAPE, np.uint8), []
    prediction[2:8, 3:7, 1:3] = 1
    prediction[0, 0, 0] = 2
    for case, values in (("case_1", np.zeros(SHAPE, np.uint8)), ("case_2", prediction)):
        scores = score_case(values, reference_of(case), (1.0, 1.0, 3.0), LABELS, SCORING)
        rows += [ScoreRow(case, case, score) for score in scores]
    run.put("unet", METRICS_FILE, write_metrics(rows))
    page = rendered(run)
    assert "Dice 0.000 (liver 0.000 missed, tumour 0.000 missed)" in page
    assert "Dice 0.500 (liver 1.000, tumour 0.000 invented)" in page


def test_slices_are_spoken_of_where_there_are_slices(run: ScratchRun):
    run.config(["unet"])
    run.succeed("unet", 1)
    assert "Shown first is the slice" in rendered(run)
    assert "the slice" not in rendered(run, flat=True)


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
