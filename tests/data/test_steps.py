"""A case goes through the steps of a plan, and a class map comes back to where the case was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.artifacts import Crop, Normalization, Normalize, Orient, Plan, Resample
from medseg.data.resample import argmax_of, resample_linear
from medseg.data.steps import NativeGrid, nonzero_box, prepare_case


def plan(spacing_mm: Any = None, size: Any = None, crop: bool = False, channels: int = 1) -> Plan:
    scale = Normalize(channels=(Normalization(method="zscore"),) * channels)
    grid = Resample(spacing_mm=spacing_mm, size=size, order=3, coarse_axis_order=1, anisotropy_limit=3)
    return Plan(
        dataset_uri="d", dataset_version="v", labels={"background": 0, "a": 1, "b": 2}, channels=channels, dimensions=3,
        modality="mr", steps=(Orient(), *((Crop(),) if crop else ()), scale, grid), slice_axis=2, patch_2d=(8, 8),
        patch_3d=(8, 8, 8), fingerprint={},
    )  # fmt: skip


def ellipsoids(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Two touching organs of some centimetres, whatever the voxels."""
    extent = [n * mm for n, mm in zip(shape, spacing_mm, strict=True)]
    grid = np.meshgrid(*[(np.arange(n) + 0.5) * mm for n, mm in zip(shape, spacing_mm, strict=True)], indexing="ij")
    distance = sum(((g - e / 2) / (0.38 * e)) ** 2 for g, e in zip(grid, extent, strict=True))
    organ = np.asarray(distance < 1, np.uint8)
    return organ + organ * (grid[0] > 0.6 * extent[0]).astype(np.uint8)


def there_and_back(reference: np.ndarray, spacing_mm: Any, made: Plan, image: np.ndarray) -> np.ndarray:
    """What a perfect network would be scored on: the shares of the prepared classes, taken back linearly."""
    case = prepare_case(image, reference, spacing_mm, made)
    if case.reference.shape == case.native.box_shape:
        return case.native.put_back(case.reference)
    shares = ((case.reference == value).astype(np.float32) for value in range(3))
    return case.native.put_back(argmax_of(resample_linear(share, case.native.box_shape) for share in shares))


def dice(one: np.ndarray, other: np.ndarray, value: int) -> float:
    a, b = one == value, other == value
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize(
    ("shape", "spacing_mm", "target_mm"),
    [
        ((60, 64, 70), (1.0, 1.0, 1.0), (0.8, 0.9, 0.7)),
        ((80, 90, 30), (0.7, 0.7, 3.0), (0.7, 0.7, 1.5)),
        ((96, 96, 24), (0.5, 0.5, 5.0), (0.6, 0.6, 5.0)),
    ],
)
def test_smooth_organs_come_back_from_other_grids(shape: Any, spacing_mm: Any, target_mm: Any, crop: bool) -> None:
    reference = ellipsoids(shape, spacing_mm)
    image = np.zeros((1, *shape), np.float32)
    image[:, 3:-5, 4:-4, 1:-2] = 100
    returned = there_and_back(reference, spacing_mm, plan(target_mm, crop=crop), image)
    assert returned.shape == shape
    assert min(dice(reference, returned, value) for value in (1, 2)) >= 0.99


@given(st.tuples(*[st.integers(1, 9)] * 3), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=50)
def test_on_an_unchanged_grid_every_class_comes_back_bit_for_bit(shape: Any, seed: int, crop: bool) -> None:
    rng = np.random.default_rng(seed)
    image = np.zeros((1, *shape), np.int16)
    i, j, k = (slice(*sorted(rng.integers(0, n + 1, 2))) for n in shape)
    image[0, i, j, k] = 7
    reference = rng.integers(0, 3, shape).astype(np.uint8) * (image[0] > 0)
    returned = there_and_back(reference, (1.0, 2.0, 9.0), plan((1.0, 2.0, 9.0), crop=crop), image)
    np.testing.assert_array_equal(returned, reference)


def test_the_box_holds_every_voxel_that_is_not_zero_in_some_channel() -> None:
    image = np.zeros((2, 9, 8, 7))
    image[0, 2, 3, 4], image[1, 5, 3, 6] = 1, -1
    assert nonzero_box(image) == (slice(2, 6), slice(3, 4), slice(4, 7))
    assert nonzero_box(np.zeros((1, 3, 4, 5))) == (slice(0, 3), slice(0, 4), slice(0, 5))


def test_around_the_box_a_prediction_is_background() -> None:
    native = NativeGrid((4, 4, 4), (1, 0, 2), (3, 4, 4))
    assert native.box_shape == (2, 4, 2)
    whole = native.put_back(np.ones((2, 4, 2), np.uint8))
    assert whole.shape == (4, 4, 4)
    assert whole[1:3, :, 2:].all()
    assert whole.sum() == 16


def test_intensities_are_scaled_by_what_is_left_after_cropping() -> None:
    image = np.zeros((2, 8, 8, 8), np.int16)
    image[:, 2:6] = np.arange(256).reshape(4, 8, 8)
    case = prepare_case(image, np.ones((8, 8, 8), np.uint8), (1.0, 1.0, 1.0), plan((1.0,) * 3, crop=True, channels=2))
    assert case.image.shape == (2, 4, 8, 8)
    assert case.image.mean() == pytest.approx(0, abs=1e-5)
    assert case.image.dtype == np.float32


def test_pictures_get_one_size_in_the_plane_of_their_pixels() -> None:
    case = prepare_case(np.ones((1, 20, 10, 1)), np.ones((20, 10, 1), np.uint8), (1.0, 1.0, 1.0), plan(size=(8, 6)))
    assert (case.image.shape, case.reference.shape) == ((1, 8, 6, 1), (8, 6, 1))
