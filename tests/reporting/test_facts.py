"""What a report says of the data that the models saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medseg.artifacts import Normalization, Normalize, Resample, Step
from medseg.reporting.facts import data_facts
from medseg.reporting.run_reader import read_run
from tests.reporting.runs import ScratchRun

Z_SCORES = Normalize(channels=(Normalization(method="zscore"), Normalization(method="percentile")))
PIXELS = Resample(spacing_mm=None, size=(256, 192), order=3, coarse_axis_order=1, anisotropy_limit=3.0)


@pytest.mark.parametrize(
    ("steps", "grid", "intensities"),
    [
        (None, "1 × 1 × 3 mm", "ct"),
        ((Z_SCORES, PIXELS), "256 × 192 pixels", "zscore, percentile"),
        ((), "that of each image", "as they are"),
    ],
)
def test_the_training_grid_and_the_intensities_are_those_of_the_plan(
    tmp_path: Path, steps: tuple[Step, ...] | None, grid: str, intensities: str
):
    run = ScratchRun(tmp_path)
    run.succeed("unet")
    results = read_run(run.uri)
    assert results.plan
    plan = results.plan if steps is None else results.plan.model_copy(update={"steps": steps})
    facts = dict(data_facts(replace(results, plan=plan)))
    assert (facts["Training grid"], facts["Intensities"]) == (grid, intensities)


def test_the_test_set_is_told_in_cases_and_patients(tmp_path: Path):
    run = ScratchRun(tmp_path)
    run.succeed("unet")
    results = read_run(run.uri)
    facts = dict(data_facts(results))
    assert facts["Modality"] == "CT, 3D"
    assert facts["Split by patient"] == "1 training and 1 validation cases in 1 fold, 3 test cases of 3 patients"
    same = replace(results, cases=[replace(case, patient="one") for case in results.cases])
    assert dict(data_facts(same))["Split by patient"].endswith("3 test cases of 1 patient")
    unknown = replace(results, cases=[])
    assert dict(data_facts(unknown))["Split by patient"].endswith("3 test cases")
