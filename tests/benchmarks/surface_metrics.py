"""HD95, ASSD and NSD of a whole case, against MONAI and MedPy."""

from __future__ import annotations

import importlib.util
import statistics
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from scipy import ndimage

from medseg.metrics.case import Scoring, score_case
from medseg.pool import core_count
from tests.benchmarks.timing import Line, faster, paired, seconds

SHAPE, SPACING_MM = (192, 256, 256), (1.47, 0.78, 0.78)
TOLERANCE_MM = 2.0
LABELS = {"liver": 1, "spleen": 2, "kidney": 3, "bladder": 4}
CENTRES = ((96, 120, 80), (100, 110, 190), (60, 190, 120), (130, 200, 200))
RADII = ((60, 50, 45), (30, 25, 35), (25, 22, 40), (20, 20, 20))
ROUNDS = 5
WHAT = f"4 classes, 192x256x256, {core_count()} cores"

Values = np.ndarray  # (3, classes): HD95, ASSD, NSD


def lines() -> Iterator[Line]:
    """As many threads as there are cores for all that can use them."""
    torch.set_num_threads(core_count())
    reference, prediction = _organs(roughness=0.1, seed=0), _organs(roughness=0.16, seed=1)
    ours, monai = _ours(prediction, reference), _monai(prediction, reference)
    ours_s, monai_s = paired(ours, monai, ROUNDS)
    yield faster(WHAT, ours_s, monai_s, "MONAI", ">= 3 x")
    yield Line("  largest difference from MONAI", f"{np.abs(ours() - monai()).max():.1e}", "", "", "< 1e-4")
    if not importlib.util.find_spec("medpy"):
        yield Line("MedPy", "", "medpy is not installed", "skipped", ">= 10 x")
        return
    medpy = _medpy(prediction, reference)
    values: list[Values] = []
    medpy_s = seconds(lambda: values.append(medpy()))  # a minute or more: once has to do
    yield faster(
        f"{WHAT}, without NSD", statistics.median(seconds(ours) for _ in range(ROUNDS)), medpy_s, "MedPy", ">= 10 x"
    )
    yield Line(
        "  largest difference of ASSD from MedPy", f"{np.abs(ours() - values[0])[1].max():.1e} mm", "", "", "< 1e-4"
    )


def _organs(roughness: float, seed: int) -> np.ndarray:
    """Class values of four ellipsoids whose surfaces are smoothly dented."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(length, dtype=np.float32) for length in SHAPE], indexing="ij"), axis=-1)
    coarse = rng.normal(0, roughness, [length // 16 for length in SHAPE]).astype(np.float32)
    dents = ndimage.zoom(coarse, 16, order=1)
    organs = np.zeros(SHAPE, np.uint8)
    for value, centre, radii in zip(LABELS.values(), CENTRES, RADII, strict=True):
        organs[(((grid - centre) / radii) ** 2).sum(axis=-1) + dents < 1] = value
    return organs


def _ours(prediction: np.ndarray, reference: np.ndarray) -> Callable[[], Values]:
    """All metrics of a case, these three among them."""
    scoring = Scoring(dict.fromkeys(LABELS, TOLERANCE_MM))

    def scored() -> Values:
        scores = score_case(prediction, reference, SPACING_MM, LABELS, scoring)
        return np.array([[score.hd95_mm, score.assd_mm, score.nsd] for score in scores]).T

    return scored


def _monai(prediction: np.ndarray, reference: np.ndarray) -> Callable[[], Values]:
    warnings.filterwarnings("ignore", category=FutureWarning, module="monai")
    both = [
        torch.from_numpy(np.stack([values == value for value in LABELS.values()])[None])
        for values in (prediction, reference)
    ]
    common = {"include_background": True, "spacing": SPACING_MM}

    def scored() -> Values:
        hd95 = compute_hausdorff_distance(*both, percentile=95, **common)
        assd = compute_average_surface_distance(*both, symmetric=True, **common)
        nsd = compute_surface_dice(*both, class_thresholds=[TOLERANCE_MM] * len(LABELS), **common)
        return torch.cat([hd95, assd, nsd]).numpy()

    return scored


def _medpy(prediction: np.ndarray, reference: np.ndarray) -> Callable[[], Values]:
    """MedPy has no NSD, and another HD95: it pools both directions."""
    from medpy.metric.binary import assd, hd95

    def scored() -> Values:
        masks = [(prediction == value, reference == value) for value in LABELS.values()]
        return np.array([[hd95(*pair, SPACING_MM), assd(*pair, SPACING_MM), np.nan] for pair in masks]).T

    return scored
