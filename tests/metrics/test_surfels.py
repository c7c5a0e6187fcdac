"""NSD by area, on contours and surfaces whose length and area follow from Pythagoras."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import compute_surface_dice

from medseg.metrics.surfels import surfel_nsd
from tests.metrics.scenes import masks_of, pairs, pixels

SQUARE = pixels((1, 1), (1, 2), (2, 1), (2, 2))
SQUARE_MM = 4 + 4 * math.sqrt(0.5)  # four straight sides, four cut corners
PIXEL_MM = 4 * math.sqrt(0.5)  # four cut corners


def nsd(prediction, reference, spacing_mm, tolerance_mm):
    return surfel_nsd(masks_of(prediction, reference, spacing_mm), tolerance_mm)


def test_a_stray_pixel_costs_its_contour():
    both = SQUARE | pixels((2, 6))
    assert nsd(both, SQUARE, (1.0, 1.0), 1.0) == pytest.approx(2 * SQUARE_MM / (2 * SQUARE_MM + PIXEL_MM))


def test_a_long_side_counts_more_than_a_short_one():
    row = pixels((1, 1), (1, 2), (1, 3))
    longer = pixels((1, 1), (1, 2), (1, 3), (1, 4))
    corner_mm = math.hypot(5, 1) / 2  # half the diagonal of a pixel of 5 by 1 mm
    within = (4 * corner_mm + 2 * 2 * 1) + (2 * corner_mm + 2 * 3 * 1)  # all of the row, the near end of the longer one
    assert nsd(longer, row, (5.0, 1.0), 0.5) == pytest.approx(within / (within + 2 * corner_mm))


def test_distances_are_from_corner_to_corner():
    shifted = np.roll(SQUARE, 1, axis=1)
    assert nsd(shifted, SQUARE, (1.0, 0.1), 0.1) == 1  # although float32 holds no 0.1
    assert nsd(shifted, SQUARE, (1.0, 0.1), 0.09) < 1


def test_a_voxel_that_fills_the_image_has_a_surface():
    voxel = np.ones((1, 1, 1), dtype=bool)
    assert nsd(voxel, voxel, (1.0, 1.0, 1.0), 0.0) == 1


def test_empty_masks():
    assert nsd(SQUARE, pixels(), (1.0, 1.0), 9.0) == nsd(pixels(), SQUARE, (1.0, 1.0), 9.0) == 0
    assert math.isnan(nsd(pixels(), pixels(), (1.0, 1.0), 1.0))


@settings(max_examples=25, deadline=None)
@given(pairs(), st.floats(0.1, 10))
def test_nsd_equals_monais_with_subvoxels(pair, tolerance_mm):
    prediction, reference, spacing_mm = pair
    both = [torch.from_numpy(mask)[None, None] for mask in (prediction, reference)]
    expected = compute_surface_dice(*both, [tolerance_mm], True, spacing=list(spacing_mm), use_subvoxels=True)
    assert nsd(prediction, reference, spacing_mm, tolerance_mm) == pytest.approx(float(expected), abs=1e-5)
