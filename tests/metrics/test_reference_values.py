"""Every metric against values that MONAI and DeepMind's surface-distance computed on 40 pairs of masks."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from medseg.metrics.case import ClassScore, Surface
from tests.metrics.scenes import score

COUNTS = ("tp", "fp", "fn", "tn")
OVERLAPS = ("dice", "iou", "sensitivity", "specificity", "precision")
DISTANCES = {"hd95_mm": "hd95_mm_monai", "hd_mm": "hd100_mm_monai", "assd_mm": "assd_mm_monai"}
EMPTY = {"prediction_empty": "prediction-empty", "reference_empty": "reference-empty", "both_empty": "both-empty"}


@dataclass(frozen=True)
class ReferenceCase:
    """A pair of masks and what two libraries say about it; nothing but counts where a mask is empty."""

    name: str
    prediction: np.ndarray
    reference: np.ndarray
    spacing_mm: list[float]
    tolerance_mm: float
    expected: dict[str, float]

    def scored(self, surface: Surface = "voxel") -> ClassScore:
        return score(self.prediction, self.reference, self.spacing_mm, self.tolerance_mm, surface)


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> list[ReferenceCase]:
    folder = shared_data.parent / "reference" / "metrics"
    if not folder.is_dir():
        pytest.skip(f"reference values are not here: {folder}")
    masks = np.load(folder / "masks.npz")
    return [
        ReferenceCase(
            case["name"],
            *(masks[side + case["id"]].astype(bool) for side in "pg"),
            **{key: case[key] for key in ("spacing_mm", "tolerance_mm", "expected")},
        )
        for case in json.loads((folder / "cases.json").read_text())["cases"]
    ]


def test_overlaps_and_distances_equal_the_reference_values(cases: list[ReferenceCase]) -> None:
    assert len(cases) == 40
    for case in cases:
        scored, expected = case.scored(), case.expected
        assert {name: getattr(scored.counts, name) for name in COUNTS} == {name: expected[name] for name in COUNTS}
        if case.name in EMPTY:
            continue
        for name in OVERLAPS:
            assert getattr(scored, name) == pytest.approx(expected[name], abs=1e-9), (case.name, name)
        for name, monai in DISTANCES.items():
            assert getattr(scored, name) == pytest.approx(expected[monai], abs=1e-4), (case.name, name)


def test_nsd_equals_the_reference_values_by_both_conventions(cases: list[ReferenceCase]) -> None:
    for case in cases:
        if case.name not in EMPTY:
            assert case.scored("voxel").nsd == pytest.approx(case.expected["nsd_monai"], abs=1e-4), case.name
            assert case.scored("surfel").nsd == pytest.approx(case.expected["nsd_surfel"], abs=1e-3), case.name


@pytest.mark.parametrize("surface", ["voxel", "surfel"])
def test_empty_masks_are_scored_by_convention(cases: list[ReferenceCase], surface: Surface) -> None:
    diagonal_mm = 24 * math.sqrt(3)
    empty = {EMPTY[case.name]: case.scored(surface) for case in cases if case.name in EMPTY}
    assert {flag: scored.flag for flag, scored in empty.items()} == {flag: flag for flag in EMPTY.values()}
    for flag, scored in empty.items():
        ratios, distances = [scored.dice, scored.iou, scored.nsd], [getattr(scored, name) for name in DISTANCES]
        if flag == "both-empty":
            assert np.isnan([*ratios, *distances]).all()
        else:
            assert ratios == [0, 0, 0]
            assert distances == pytest.approx([diagonal_mm] * 3)
