"""Who is compared with whom, from the scores that a run left."""

from __future__ import annotations

from pathlib import Path

import pytest

from medseg.metrics.statistics import wilcoxon_p
from medseg.reporting.comparisons import comparisons
from medseg.reporting.run_reader import read_run
from tests.reporting.runs import ScratchRun


def test_models_from_scratch_and_pretrained_ones_are_compared_apart(tmp_path: Path):
    run = ScratchRun(tmp_path)
    run.config(["unet", "fpn", "dpt"])
    run.succeed("unet")
    run.succeed("fpn", shift=1)
    run.succeed("dpt", weights="imagenet")
    found = comparisons(read_run(run.uri))
    assert {group: [s.model for s in c.rankings["dice"].standings] for group, c in found.items()} == {
        "scratch": ["unet", "fpn"],
        "pretrained": ["dpt"],
    }
    assert [pair.metric for pair in found["scratch"].pairs] == ["dice", "nsd", "hd95_mm"]


def test_a_model_without_all_its_trainings_is_not_compared(tmp_path: Path):
    run = ScratchRun(tmp_path)
    run.config(["unet", "fpn"], seeds=(0, 1))
    for seed in (0, 1):
        run.succeed("unet", seed=seed)
    run.succeed("fpn", seed=0)
    (standing,) = comparisons(read_run(run.uri))["scratch"].rankings["dice"].standings
    assert standing.model == "unet"


def test_seeds_are_averaged_before_the_test_and_their_spread_stands_beside(tmp_path: Path):
    run = ScratchRun(tmp_path)
    run.config(["unet", "fpn"], seeds=(0, 1))
    for seed in (0, 1):
        run.succeed("unet", seed=seed)
        run.succeed("fpn", shift=seed + 1, seed=seed)
    pair = comparisons(read_run(run.uri))["scratch"].pairs[0]
    assert (pair.first, pair.cases) == ("unet", 3)
    assert pair.p == wilcoxon_p([0.1, 0.2, 0.3]) == 0.25
    assert pair.seed_spread > 0


def test_a_run_without_scores_compares_nobody(tmp_path: Path):
    run = ScratchRun(tmp_path)
    run.config(["unet"])
    assert comparisons(read_run(run.uri)) == {}


@pytest.mark.parametrize("cases", [("case_1",), ("case_1", "case_2")])
def test_few_cases_are_enough_for_a_ranking(tmp_path: Path, cases: tuple[str, ...]):
    run = ScratchRun(tmp_path, cases=cases)
    run.config(["unet"])
    run.succeed("unet")
    (standing,) = comparisons(read_run(run.uri))["scratch"].rankings["dice"].standings
    assert (standing.rank, standing.mean) == (1, 1)
