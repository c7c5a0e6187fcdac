"""The plan follows from the training cases, and the recipe goes first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medseg.artifacts import Dataset, Normalization, Plan
from medseg.config import PreprocessConfig
from medseg.data.fingerprint import Fingerprint, make_plan
from medseg.data.normalize import normalize
from medseg.errors import RecipeError


def dataset(dimensions: Any = 3, modality: Any = "ct") -> Dataset:
    return Dataset(
        channel_names={"0": "CT"}, labels={"background": 0, "liver": 1}, numTraining=1, name="toy", version="v",
        modality=modality, dimensions=dimensions, layout="pairs",
    )  # fmt: skip


def fingerprint(*shapes: tuple[int, int, int], spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Fingerprint:
    prints = Fingerprint()
    for shape in shapes:
        image = np.full((1, *shape), -1000.0)
        reference = np.zeros(shape, np.uint8)
        reference[0], image[:, 0] = 1, np.linspace(0, 100, image[0, 0].size).reshape(image[0, 0].shape)
        prints.add(image, reference, spacing_mm)
    return prints


def plan_of(prints: Fingerprint, data: Dataset, **settings: Any) -> Plan:
    return make_plan(prints, data, "s3://b/datasets/toy/v", PreprocessConfig(**settings), channels=1)


def test_ct_is_clipped_and_scaled_by_the_foreground_alone() -> None:
    (step,) = plan_of(fingerprint((4, 40, 40)), dataset()).normalization
    assert (step.method, round(step.low, 1), round(step.high, 1), round(step.mean)) == ("ct", 0.5, 99.5, 50)


def test_volumes_get_the_median_voxel_and_patches_that_hold_the_median_case() -> None:
    plan = plan_of(fingerprint((30, 41, 20), (34, 41, 20), (90, 41, 20), spacing_mm=(1.0, 1.0, 2.5)), dataset())
    assert (plan.spacing_mm, plan.patch_3d, plan.patch_2d) == ((1.0, 1.0, 2.5), (40, 48, 24), (40, 48))


def test_slices_are_cut_across_the_coarsest_axis() -> None:
    assert plan_of(fingerprint((9, 8, 8), spacing_mm=(5.0, 1.0, 1.0)), dataset()).slice_axis == 0
    assert plan_of(fingerprint((9, 8, 8)), dataset()).slice_axis == 2


def test_pictures_without_a_scale_get_one_size() -> None:
    plan = plan_of(fingerprint((1024, 512, 1), (2048, 1024, 1), (3000, 2000, 1)), dataset(2, "xray"))
    assert (plan.size, plan.spacing_mm, plan.patch_3d) == ((512, 256), None, None)


def test_the_recipe_goes_first() -> None:
    settings = {"spacing_mm": (2.0, 2.0, 2.0), "patch_3d": (16, 16, 16), "normalization": "zscore"}
    plan = plan_of(fingerprint((40, 40, 40)), dataset(), **settings)
    assert (plan.spacing_mm, plan.patch_3d, plan.normalization[0].method) == ((2, 2, 2), (16, 16, 16), "zscore")


@pytest.mark.parametrize(
    ("dimensions", "settings", "says"),
    [
        (3, {"size": (8, 8)}, "preprocess.size = .* is for 2D pictures, but data set toy is 3D"),
        (2, {"patch_3d": (8, 8, 8)}, "preprocess.patch_3d = .* data set toy is 2D"),
    ],
)
def test_a_setting_for_other_dimensions_is_refused(dimensions: int, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        plan_of(fingerprint((8, 8, 1)), dataset(dimensions), **settings)


@pytest.mark.parametrize("method", ["ct", "zscore", "percentile"])
def test_a_constant_image_becomes_finite(method: Any) -> None:
    scaled = normalize(np.full((1, 2, 2, 2), 7), [Normalization(method=method, low=7, high=7, mean=7, std=0)])
    np.testing.assert_array_equal(scaled, 0)


def test_percentile_scaling_ends_at_0_and_1() -> None:
    scaled = normalize(np.arange(1000.0).reshape(1, 10, 10, 10), [Normalization(method="percentile")])
    assert (scaled.min(), scaled.max()) == pytest.approx((0, 1), abs=1e-6)
