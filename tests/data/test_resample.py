"""Grids change, the field of view and the classes stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from medseg.data.resample import anisotropic_axis, argmax_of, resample_image, resample_reference, target_shape

ISOTROPIC = (1.0, 1.0, 1.0)
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
seeds = st.integers(0, 2**32 - 1)


def test_twice_the_spacing_is_half_the_voxels() -> None:
    assert target_shape((10, 20, 7), (1.0, 1.0, 3.0), (2.0, 2.0, 3.0)) == (5, 10, 7)


@given(sizes, sizes, st.floats(-1000, 1000, width=32))
def test_a_constant_image_stays_constant(before: tuple, after: tuple, value: float) -> None:
    image = np.full((2, *before), value, np.float32)
    resampled = resample_image(image, after, ISOTROPIC)
    np.testing.assert_array_equal(resampled, np.full((2, *after), value, np.float32))


@given(sizes, seeds)
def test_the_same_shape_changes_nothing(shape: tuple, seed: int) -> None:
    image = np.random.default_rng(seed).normal(size=(1, *shape)).astype(np.float32)
    np.testing.assert_array_equal(resample_image(image, shape, ISOTROPIC), image)


@given(sizes, sizes, seeds)
@settings(deadline=None)
def test_isotropic_values_equal_those_of_scikit_image(before: tuple, after: tuple, seed: int) -> None:
    resize = pytest.importorskip("skimage.transform").resize
    image = np.random.default_rng(seed).integers(-1024, 3000, (2, *before)).astype(np.int16)
    expected = [
        resize(channel.astype(np.float32), after, order=3, mode="edge", anti_aliasing=False) for channel in image
    ]
    np.testing.assert_allclose(resample_image(image, after, ISOTROPIC), expected, atol=0.01)


def test_channels_keep_their_own_range() -> None:
    step = np.zeros((2, 4, 4, 8), np.float32)
    step[0, ..., 4:], step[1, ..., :4] = 1, -5
    resampled = resample_image(step, (4, 4, 40), ISOTROPIC)
    assert [(c.min(), c.max()) for c in resampled] == [(0, 1), (-5, 0)]


def test_along_a_coarse_axis_a_ramp_between_two_slices_is_straight() -> None:
    step = np.zeros((1, 4, 4, 8), np.float32)
    step[..., 4:] = 1.0
    assert anisotropic_axis((1.0, 1.0, 5.0)) == 2
    coarse = resample_image(step, (4, 4, 40), (1.0, 1.0, 5.0))[0, 0, 0]
    np.testing.assert_allclose(coarse[17:23], [0, 0.2, 0.4, 0.6, 0.8, 1], atol=1e-6)
    assert abs(resample_image(step, (4, 4, 40), ISOTROPIC)[0, 0, 0, 18] - 0.2) > 0.03  # a spline bends


def test_a_reference_keeps_its_classes_and_its_share_of_the_volume() -> None:
    reference = np.zeros((8, 8, 8), np.uint8)
    reference[:4], reference[4:, :4] = 1, 3
    finer = resample_reference(reference, (16, 16, 16))
    assert np.bincount(finer.ravel()).tolist() == [1024, 2048, 0, 1024]
    np.testing.assert_array_equal(resample_reference(finer, (8, 8, 8)), reference)


@given(sizes, st.tuples(*[st.sampled_from([1, 2, 4, 8])] * 3), seeds)
@settings(deadline=None)
def test_boxes_around_classes_change_nothing(before: tuple, factors: tuple, seed: int) -> None:
    """Against all classes at full size; weights of 1/16 and the like are exact, so that ties are ties for both."""
    reference = np.random.default_rng(seed).choice([0, 0, 0, 1, 2, 5], before).astype(np.uint8)
    after = tuple(n * factor for n, factor in zip(before, factors, strict=True))
    zoomed = (
        ndimage.zoom((reference == value).astype(np.float32), factors, order=1, mode="nearest", grid_mode=True)
        for value in range(6)
    )
    np.testing.assert_array_equal(resample_reference(reference, after), argmax_of(zoomed))


def test_a_class_that_falls_between_all_new_voxels_is_gone_and_the_others_stay() -> None:
    reference = np.zeros((30, 30, 30), np.uint8)
    reference[2, 2, 2], reference[10:20, 10:20, 10:20] = 1, 2
    assert np.unique(resample_reference(reference, (3, 3, 3))).tolist() == [0, 2]
    assert not resample_reference(np.zeros((4, 4, 4), np.uint8), (5, 5, 5)).any()


def test_the_largest_of_many_arrays_wins_and_the_first_of_equal_ones() -> None:
    a, b, c = np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 5.0]), np.array([2.0, 0.0, 5.0])
    assert argmax_of([a, b, c]).tolist() == [0, 0, 1]
