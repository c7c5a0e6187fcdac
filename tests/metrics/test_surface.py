"""Surface distances on scenes that can be measured with a ruler."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.ndimage import binary_erosion, distance_transform_edt

from medseg.metrics import surface
from tests.metrics.scenes import masks_of, pairs, pixels


def surface_distances(prediction, reference, spacing_mm):
    return surface.surface_distances(masks_of(prediction, reference, spacing_mm))


def test_two_pixels_2mm_apart():
    distances = surface_distances(pixels((1, 1)), pixels((1, 5)), (3.0, 0.5))
    assert distances.hd_mm == distances.hd95_mm == distances.assd_mm == 2.0
    assert distances.nsd(1.9) == 0
    assert distances.nsd(2.0) == 1


def test_one_pixel_too_many_costs_by_its_distance():
    distances = surface_distances(pixels((1, 1), (1, 4)), pixels((1, 1)), (1.0, 1.0))
    assert distances.hd_mm == 3
    assert distances.hd95_mm == pytest.approx(0.95 * 3)
    assert distances.assd_mm == 1
    assert distances.nsd(1.0) == pytest.approx(2 / 3)


def test_a_slice_has_the_distances_of_a_picture():
    rng = np.random.default_rng(0)
    prediction, reference = rng.random((2, 12, 9)) > 0.4
    picture = surface_distances(prediction, reference, (2.0, 1.0))
    volume = surface_distances(prediction[..., None], reference[..., None], (2.0, 1.0, 5.0))
    assert volume.hd95_mm == picture.hd95_mm
    assert volume.assd_mm == picture.assd_mm
    assert len(picture.reference_to_prediction) < reference.sum()  # inner pixels are no surface


def test_both_empty_is_undefined():
    distances = surface_distances(pixels(), pixels(), (1.0, 1.0))
    assert math.isnan(distances.hd95_mm)
    assert math.isnan(distances.assd_mm)
    assert math.isnan(distances.nsd(1.0))


@pytest.mark.parametrize("swap", [False, True])
def test_one_empty_costs_the_diagonal_of_the_whole_image(swap):
    masks = [pixels((1, 1)), pixels()]
    distances = surface_distances(*(masks[::-1] if swap else masks), (1.0, 1.0))
    assert distances.hd_mm == distances.hd95_mm == distances.assd_mm == pytest.approx(10)  # 6 by 8 mm
    assert distances.nsd(100.0) == 0


def test_an_image_of_one_voxel_has_a_surface():
    voxel = np.ones((1, 1, 1), dtype=bool)
    assert surface_distances(voxel, voxel, (1.0, 1.0, 1.0)).hd95_mm == 0


def test_tolerance_equal_to_a_distance_that_float32_cannot_hold():
    distances = surface_distances(pixels((1, 1)), pixels((1, 2)), (1.0, 0.1))
    assert distances.nsd(0.1) == 1


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_distances_equal_those_of_scipy_on_the_whole_image(pair):
    prediction, reference, spacing_mm = pair
    edges = [mask & ~binary_erosion(mask) for mask in (prediction, reference)]
    distances = surface_distances(prediction, reference, spacing_mm)
    np.testing.assert_allclose(
        distances.prediction_to_reference, distance_transform_edt(~edges[1], spacing_mm)[edges[0]], rtol=1e-6
    )
    np.testing.assert_allclose(
        distances.reference_to_prediction, distance_transform_edt(~edges[0], spacing_mm)[edges[1]], rtol=1e-6
    )
