"""Pictures of a report's cases, and what stands for those that cannot be drawn."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from medseg import artifacts
from medseg.reporting.gallery import Drawing, gallery
from medseg.reporting.run_reader import read_run
from medseg.storage import open_store
from tests.reporting.runs import ScratchRun, nifti_bytes


@pytest.fixture
def run(tmp_path: Path) -> ScratchRun:
    run = ScratchRun(tmp_path, cases=("case_1",))
    run.config(["unet"])
    run.succeed("unet", 1)
    return run


def drawing(run: ScratchRun) -> Drawing:
    results = read_run(run.uri)
    return gallery(results, results.models).models["unet"][0]


def test_ct_is_shown_in_the_window_of_the_plan(run: ScratchRun):
    stack = drawing(run).stack
    assert stack
    edge = np.array(PIL.Image.open(io.BytesIO(stack.jpeg)))[180, 2]
    assert edge == pytest.approx(85, abs=4)  # 0 HU of the window from -100 to 200 HU: a third of 255


def test_an_image_of_another_shape_than_its_reference_is_no_picture(run: ScratchRun):
    key = artifacts.image_key("case_1", 0)
    open_store(run.dataset_uri).put_bytes(key, nifti_bytes(run.folder, np.zeros((3, 3, 3), np.int16)))
    assert drawing(run).problem == f"{key}: image has shape (3, 3, 3), its reference (12, 10, 4)"


def test_a_prediction_of_another_shape_is_no_picture(run: ScratchRun):
    run.put("unet", artifacts.prediction_key("case_1"), nifti_bytes(run.folder, np.zeros((3, 3, 3), np.uint8)))
    assert drawing(run).problem == "case_1: prediction has shape (3, 3, 3), the reference (12, 10, 4)"


def test_the_training_with_the_median_dice_is_shown(tmp_path: Path):
    run = ScratchRun(tmp_path, cases=("case_1",))
    run.config(["unet"], seeds=(0, 1, 2))
    for seed, shift in enumerate((3, 0, 1)):
        run.succeed("unet", shift, seed)
    assert drawing(run).shown.unit.seed == 2
