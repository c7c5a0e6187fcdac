"""The ready recipes learn on real scans: better than the mean training mask, in a small part of their budget."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from medseg.cli import main

RECIPES = Path(__file__).resolve().parents[1] / "pipelines" / "recipes"


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("recipe", "folder", "settings", "mean_mask_dice"),
    [
        ("hippocampus.yaml", "hippocampus_mri", ["train.epochs=8", "evaluate.mirror=false"], 0.73),
        ("chest-xray-lungs.yaml", "cxr_lung", ["train.epochs=4", "preprocess.size=[128, 128]"], 0.80),
    ],
)
def test_a_recipe_beats_the_mean_mask(
    shared_data: Path, tmp_path: Path, recipe: str, folder: str, settings: list[str], mean_mask_dice: float
) -> None:
    common = [f"store={tmp_path}", f"dataset.source={shared_data / folder}", "run_id=test", "train.max_minutes=null"]
    for verb in ("ingest", "preprocess", "train", "evaluate", "report"):
        assert main([verb, str(RECIPES / recipe), *(w for s in [*common, *settings] for w in ("--set", s))]) == 0
    with (tmp_path / "runs/test/report/leaderboard.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["dice"]) > mean_mask_dice + 0.05
