"""The report as a browser shows it: nothing cut or overlapping on a desk and on a phone, tables that sort, sliders."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from medseg.artifacts import CalibrationBin
from medseg.stages.report import report
from tests.reporting.runs import ScratchRun

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-features=IsolateSandboxedIframes",  # in a process of its own, the frame would not be waited for
)
PROBES = Path(__file__).parent / "probes.js"
COSTS = {"multiply_adds": 10**9, "train_peak_bytes": 10**9, "predict_peak_bytes": 10**9, "patch": (128, 128, 128)}
CALIBRATION = [
    CalibrationBin(low=0.0, high=0.5, voxels=9, probability=0.1, foreground=0.0),
    CalibrationBin(low=0.5, high=1.0, voxels=3, probability=0.9, foreground=1.0),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report with every section: long names, failures, a table of pairs that is folded, slices to move through."""
    run = ScratchRun(tmp_path_factory.mktemp("store"), cases=tuple(f"case_{number}" for number in range(8)))
    models = ["unet", "upernet-convnext-large", "mask2former-swin-base", "segformer", "deeplabv3plus"]
    run.config(models, seeds=(0, 1))
    for place, model in enumerate(models[:-1]):
        for seed in (0, 1):
            counts = [[900, 10, 0], [5, 80, 2], [1, 1, 40]]
            costs = {"seconds_per_case": 0.5 + place, **COSTS}
            run.succeed(model, place, seed, confusion=counts, calibration=CALIBRATION, **costs)
    for seed in (0, 1):
        run.status("deeplabv3plus", "failed", seed, reason="out of memory: 40 GiB asked for, 22 GiB free")
    report(run.uri)
    return run.store.get_bytes("report/index.html").decode()


@pytest.fixture(scope="module", params=[1400, 400], ids=["desk", "phone"])
def measured(request: pytest.FixtureRequest, page: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What probes.js reports of the page in a frame of this width, as the Kubeflow UI frames it."""
    return probe(page, request.param, tmp_path_factory.mktemp("browser"))


def probe(page: str, width: int, folder: Path) -> dict[str, Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    inner = page.replace("</body>", f"<script>{PROBES.read_text()}</script></body>")
    frame = f'<iframe sandbox="allow-scripts" width="{width}" height="900" srcdoc="{html.escape(inner)}"></iframe>'
    listener = 'addEventListener("message", (event) => { document.body.append(JSON.stringify(event.data)); });'
    wrapper = folder / "wrapper.html"
    wrapper.write_text(f"<!DOCTYPE html><meta charset=utf-8><body><script>{listener}</script>{frame}</body>")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000"]
    done = subprocess.run(
        [*command, "--window-size=1500,1000", "--dump-dom", wrapper.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r"</iframe>(\{.*\})", done.stdout, re.DOTALL)
    assert found, "the probes did not report"
    report: dict[str, Any] = json.loads(html.unescape(found[1]))
    assert "error" not in report, report
    return report


def test_nothing_is_wider_than_the_screen(measured: dict[str, Any]):
    assert measured["pageWidth"] <= measured["screenWidth"]
    assert measured["outside"] == []


def test_nothing_overlaps_or_is_cut(measured: dict[str, Any]):
    assert measured["overlapping"] == []
    assert measured["cut"] == []


def test_every_picture_is_shown(measured: dict[str, Any]):
    assert measured["pictures"] > 20
    assert measured["broken"] == []


def test_a_click_sorts_and_a_second_one_turns_the_order(measured: dict[str, Any]):
    ascending, descending = measured["sorted"]
    assert ascending[-1] == descending[-1] == "deeplabv3plus"  # it has no Dice
    assert ascending[:-1] == descending[:-1][::-1]
    assert ascending[-2] == "unet"
    assert measured["ariaSort"] == "descending"
    assert measured["sortable"]  # on a phone too, where rows are cards


def test_the_slider_moves_the_slices(measured: dict[str, Any]):
    first, second = measured["slides"]
    assert first["text"] == "slice 1 of 4"
    assert second["text"] == "slice 2 of 4"
    assert second["top"] == pytest.approx(first["top"] - first["height"], abs=1)
    assert measured["seen"] == "Slice 2 of 4"
    assert measured["together"] == 4  # one slider moves all models of a case that they disagree on


def test_the_contents_lead_to_sections(measured: dict[str, Any]):
    assert "Leaderboard" in measured["contents"]
    assert measured["arrived"]
