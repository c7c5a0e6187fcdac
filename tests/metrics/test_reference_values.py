"""Every metric against values that MONAI computed on 40 pairs of masks."""

import json
from pathlib import Path

import numpy as np
import pytest

from medseg.metrics.overlap import overlap_counts
from medseg.metrics.surface import surface_distances

OVERLAPS = ("tp", "fp", "fn", "tn", "dice", "iou", "sensitivity", "specificity", "precision")


@pytest.fixture(scope="module")
def reference_folder(shared_data: Path) -> Path:
    folder = shared_data.parent / "reference" / "metrics"
    if not folder.is_dir():
        pytest.skip(f"reference values are not here: {folder}")
    return folder


def test_overlaps_and_distances_equal_the_reference_values(reference_folder: Path):
    cases = json.loads((reference_folder / "cases.json").read_text())["cases"]
    masks = np.load(reference_folder / "masks.npz")
    assert cases
    for case in cases:
        prediction, reference = (masks[side + case["id"]].astype(bool) for side in "pg")
        expected = case["expected"]
        counts = overlap_counts(prediction, reference)
        for name in OVERLAPS:
            if name in expected:
                assert getattr(counts, name) == pytest.approx(expected[name], abs=1e-9), (case["name"], name)
        if "hd95_mm_monai" in expected:
            distances = surface_distances(prediction, reference, case["spacing_mm"])
            assert distances.hd95_mm == pytest.approx(expected["hd95_mm_monai"], abs=1e-4), case["name"]
            assert distances.hd_mm == pytest.approx(expected["hd100_mm_monai"], abs=1e-4), case["name"]
            assert distances.assd_mm == pytest.approx(expected["assd_mm_monai"], abs=1e-4), case["name"]
            assert distances.nsd(case["tolerance_mm"]) == pytest.approx(expected["nsd_monai"], abs=1e-4), case["name"]
