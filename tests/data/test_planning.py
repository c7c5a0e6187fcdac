"""The plan follows from the training cases, and the recipe goes first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medseg.artifacts import Dataset, Plan
from medseg.config import PreprocessConfig
from medseg.data.fingerprint import CasePrint, Fingerprint
from medseg.data.planning import make_plan, needs_voxels
from medseg.errors import RecipeError


def dataset(dimensions: Any = 3, modality: Any = "ct") -> Dataset:
    return Dataset(
        channel_names={"0": "CT"}, labels={"background": 0, "liver": 1}, numTraining=1, name="toy", version="v",
        modality=modality, dimensions=dimensions, layout="pairs",
    )  # fmt: skip


def fingerprint(*shapes: tuple[int, int, int], spacing_mm: Any = (1.0, 1.0, 1.0), box_shape: Any = None) -> Fingerprint:
    samples = np.linspace(0, 100, 1000, dtype=np.float32)[None]
    return Fingerprint([CasePrint(shape, spacing_mm, box_shape or shape, samples) for shape in shapes])


def plan_of(prints: Fingerprint, data: Dataset, **settings: Any) -> Plan:
    return make_plan(prints, data, "s3://b/datasets/toy/v", PreprocessConfig(**settings))


def names(plan: Plan) -> list[str]:
    return [step.name for step in plan.steps]


def test_steps_are_readable_in_the_stored_plan_and_come_back() -> None:
    plan = plan_of(fingerprint((40, 40, 40), box_shape=(20, 40, 40)), dataset())
    assert names(plan) == ["orient", "crop", "normalize", "resample"]
    stored = plan.to_bytes()
    assert Plan.from_bytes(stored, "plan.json") == plan
    assert b'"name": "crop",\n   "region": "nonzero"' in stored


def test_volumes_get_the_median_voxel_and_patches_that_hold_the_median_case() -> None:
    plan = plan_of(fingerprint((30, 41, 20), (34, 41, 20), (90, 41, 20), spacing_mm=(1.0, 1.0, 2.5)), dataset())
    assert (plan.spacing_mm, plan.patch_3d, plan.patch_2d) == ((1.0, 1.0, 2.5), (40, 48, 24), (40, 48))


def test_volumes_are_cropped_where_a_quarter_is_zeros_and_patches_fit_what_is_left() -> None:
    half = fingerprint((40, 40, 40), box_shape=(20, 40, 40))
    assert plan_of(half, dataset()).patch_3d == (24, 40, 40)
    assert plan_of(half, dataset(), crop="none").patch_3d == (40, 40, 40)
    assert "crop" not in names(plan_of(fingerprint((40, 40, 40), box_shape=(31, 40, 40)), dataset()))
    assert "crop" in names(plan_of(fingerprint((40, 40, 40)), dataset(), crop="nonzero"))
    assert "crop" not in names(plan_of(fingerprint((40, 40, 1), box_shape=(9, 9, 1)), dataset(2, "mr")))


def test_voxels_are_read_only_where_the_plan_depends_on_them() -> None:
    asked = [(3, "ct"), (3, "mr"), (3, "other"), (2, "mr"), (2, "ct"), (2, "xray")]
    assert [needs_voxels(PreprocessConfig(), dataset(*given)) for given in asked] == [
        True, True, False, False, True, False,
    ]  # fmt: skip


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
