"""Interpolation is one matrix per axis, with the weights that SciPy and scikit-image use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from medseg.data.interpolation import CACHED_MATRICES, LINEAR, interpolate, matrix

CUBIC = (3, 3, 3)
lengths = st.integers(1, 150)
orders = st.sampled_from([1, 3])
shapes = st.tuples(*[st.integers(1, 12)] * 3)


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_linear_weights_of_two_voxels_made_from_one_lie_a_quarter_voxel_off() -> None:
    np.testing.assert_allclose(matrix(2, 4, 1), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]], atol=1e-7)


@given(lengths, lengths, orders)
def test_weights_are_what_scipy_makes_of_each_voxel_alone(old: int, new: int, order: int) -> None:
    weights = matrix(old, new, order)
    if old == new:
        assert weights is None
        return
    for voxel in {0, old // 2, old - 1}:
        impulse = np.eye(old)[voxel]
        expected = ndimage.zoom(impulse, new / old, order=order, mode="nearest", grid_mode=True)
        np.testing.assert_allclose(weights[:, voxel], expected, atol=1e-7)


@given(lengths, lengths, orders)
def test_weights_of_a_voxel_sum_to_one_and_far_ones_are_zero(old: int, new: int, order: int) -> None:
    weights = matrix(old, new, order)
    if weights is not None:
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
        assert (weights != 0).sum(axis=1).max() <= 49


@given(shapes, shapes, orders, st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_axes_may_be_taken_one_after_the_other_in_any_order(old: tuple, new: tuple, order: int, seed: int) -> None:
    volume = noise(old, seed)
    one_by_one = volume
    for axis in (2, 0, 1):
        shape = list(one_by_one.shape)
        shape[axis] = new[axis]
        one_by_one = interpolate(one_by_one, (shape[0], shape[1], shape[2]), (order, order, order))
    np.testing.assert_allclose(interpolate(volume, new, (order, order, order)), one_by_one, atol=1e-5)


@given(shapes, orders, st.integers(0, 2**32 - 1))
def test_the_same_size_is_the_same_volume(shape: tuple, order: int, seed: int) -> None:
    volume = noise(shape, seed)
    assert interpolate(volume, shape, (order, order, order)) is volume


@given(shapes, shapes, st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_linear_values_lie_between_those_of_the_voxels(old: tuple, new: tuple, seed: int) -> None:
    volume = noise(old, seed)
    resampled = interpolate(volume, new, LINEAR)
    assert volume.min() - 1e-6 <= resampled.min() <= resampled.max() <= volume.max() + 1e-6


@given(st.tuples(*[st.integers(1, 40)] * 3), st.tuples(*[st.integers(1, 40)] * 3), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_values_equal_those_of_scikit_image(old: tuple, new: tuple, seed: int) -> None:
    resize = pytest.importorskip("skimage.transform").resize
    volume = noise(old, seed)
    for order in (1, 3):
        expected = resize(volume, new, order=order, mode="edge", anti_aliasing=False, clip=False)
        np.testing.assert_allclose(interpolate(volume, new, (order, order, order)), expected, atol=1e-5)


def test_few_matrices_are_kept() -> None:
    for new in range(2, 2 * CACHED_MATRICES):
        matrix(1, new, 1)
    assert matrix.cache_info().currsize == CACHED_MATRICES
    assert matrix(5, 7, 3) is matrix(5, 7, 3)
