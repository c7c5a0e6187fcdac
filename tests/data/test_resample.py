"""Grids change, the field of view and the classes stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.data.resample import anisotropic_axis, argmax_of, resample_image, resample_reference, target_shape

ISOTROPIC = (1.0, 1.0, 1.0)
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))


def test_twice_the_spacing_is_half_the_voxels() -> None:
    assert target_shape((10, 20, 7), (1.0, 1.0, 3.0), (2.0, 2.0, 3.0)) == (5, 10, 7)


@given(sizes, sizes, st.floats(-1000, 1000))
def test_a_constant_image_stays_constant(before: tuple, after: tuple, value: float) -> None:
    image = np.full((2, *before), value, np.float32)
    resampled = resample_image(image, after, ISOTROPIC)
    assert resampled.shape == (2, *after)
    np.testing.assert_allclose(resampled, value, rtol=1e-4, atol=1e-3)


@given(sizes, st.integers(0, 2**32 - 1))
def test_the_same_shape_changes_nothing(shape: tuple, seed: int) -> None:
    image = np.random.default_rng(seed).normal(size=(1, *shape)).astype(np.float32)
    np.testing.assert_array_equal(resample_image(image, shape, ISOTROPIC), image)


def test_isotropic_values_equal_those_of_scikit_image() -> None:
    resize = pytest.importorskip("skimage.transform").resize
    image = np.random.default_rng(0).normal(size=(1, 9, 8, 7)).astype(np.float32)
    expected = resize(image[0], (13, 5, 9), order=3, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(resample_image(image, (13, 5, 9), ISOTROPIC)[0], expected, atol=1e-4)


def test_along_a_coarse_axis_values_do_not_overshoot() -> None:
    step = np.zeros((1, 4, 4, 8), np.float32)
    step[..., 4:] = 1.0
    assert anisotropic_axis((1.0, 1.0, 5.0)) == 2
    coarse = resample_image(step, (4, 4, 40), (1.0, 1.0, 5.0))
    assert (coarse.min(), coarse.max()) == (0.0, 1.0)
    assert resample_image(step, (4, 4, 40), ISOTROPIC).max() > 1.01


def test_a_reference_keeps_its_classes_and_its_share_of_the_volume() -> None:
    reference = np.zeros((8, 8, 8), np.uint8)
    reference[:4], reference[4:, :4] = 1, 3
    finer = resample_reference(reference, (16, 16, 16), classes=4)
    assert np.bincount(finer.ravel()).tolist() == [1024, 2048, 0, 1024]
    np.testing.assert_array_equal(resample_reference(finer, (8, 8, 8), classes=4), reference)


def test_the_largest_of_many_arrays_wins_and_the_first_of_equal_ones() -> None:
    a, b, c = np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 5.0]), np.array([2.0, 0.0, 5.0])
    assert argmax_of([a, b, c]).tolist() == [0, 0, 1]
