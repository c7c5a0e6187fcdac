"""Masks that are written down voxel by voxel, and what is measured on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from medseg.metrics.case import ClassScore, Scoring, Surface, score_case
from medseg.metrics.masks import ClassMasks, class_masks


def pixels(*places: tuple[int, ...], shape: Sequence[int] = (6, 8)) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    for place in places:
        mask[place] = True
    return mask


def masks_of(prediction: np.ndarray, reference: np.ndarray, spacing_mm: Sequence[float]) -> ClassMasks:
    [(_, masks)] = class_masks(prediction, reference, spacing_mm, {"mask": 1})
    return masks


def score(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: Sequence[float],
    tolerance_mm: float = 1.0,
    surface: Surface = "voxel",
) -> ClassScore:
    """The scores of a pair of masks, with its lesions from an IoU of 0.1 on."""
    scoring = Scoring({"mask": tolerance_mm}, surface, lesion_iou={"mask": 0.1})
    return score_case(prediction, reference, spacing_mm, {"mask": 1}, scoring)[0]


@st.composite
def pairs(draw: st.DrawFn, longest: int = 12) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """Prediction, reference (neither empty) and spacing of a random picture or volume."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.lists(st.integers(2, longest), min_size=2, max_size=3))
    prediction, reference = rng.random((2, *shape)) < draw(st.floats(0.02, 0.98))
    prediction.flat[0] = reference.flat[-1] = True
    return prediction, reference, tuple(draw(st.floats(0.1, 5)) * rng.uniform(0.3, 3, len(shape)))
