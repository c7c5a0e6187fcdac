"""Masks are cut to what they hold, and still know the image that they lie in."""

import numpy as np
import pytest

from medseg.metrics.masks import class_masks
from tests.metrics.scenes import masks_of, pixels

SPACING_MM = (1.0, 2.0, 3.0)


def test_masks_are_cut_to_the_box_that_holds_both():
    masks = masks_of(pixels((1, 2)), pixels((1, 2), (3, 4)), (1.0, 1.0))
    np.testing.assert_array_equal(masks.prediction, pixels((0, 0), shape=(3, 3)))
    np.testing.assert_array_equal(masks.reference, pixels((0, 0), (2, 2), shape=(3, 3)))
    assert (masks.empty, masks.image_voxels, masks.diagonal_mm) == (0, 48, 10)  # 6 by 8 mm


def test_empty_masks_have_no_voxels_and_an_image():
    masks = masks_of(pixels(), pixels(), (1.0, 1.0))
    assert masks.prediction.size == masks.reference.size == 0
    assert (masks.empty, masks.image_voxels, masks.diagonal_mm) == (2, 48, 10)
    assert masks_of(pixels((0, 0)), pixels(), (1.0, 1.0)).empty == 1


def test_every_class_is_cut_by_itself_whatever_its_value():
    values = np.array([[-1, 0, 0], [0, 70000, 70000]])
    cut = dict(class_masks(values, values, (1.0, 1.0), {"a": -1, "b": 70000, "c": 5}))
    assert {name: masks.reference.shape for name, masks in cut.items()} == {"a": (1, 1), "b": (1, 2), "c": (0, 0)}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_along_any_axis_is_a_picture(axis):
    picture = np.expand_dims(pixels((1, 1), (2, 5)), axis)
    masks = masks_of(picture, picture, SPACING_MM)
    assert masks.reference.shape == (2, 5)
    assert masks.spacing_mm == tuple(np.delete(SPACING_MM, axis))


def test_a_flat_mask_in_a_volume_is_no_picture():
    volume = pixels((1, 1, 1), (1, 2, 2), shape=(4, 4, 4))
    assert masks_of(volume, volume, SPACING_MM).reference.shape == (1, 2, 2)


def test_arrays_in_fortran_order_give_contiguous_masks():
    volume = np.asfortranarray(pixels((1, 0, 1), (2, 2, 2), shape=(4, 3, 4)))
    masks = masks_of(volume, np.ascontiguousarray(volume), SPACING_MM)
    assert masks.prediction.flags.c_contiguous
    np.testing.assert_array_equal(masks.prediction, masks.reference)


@pytest.mark.parametrize(("shape", "spacing_mm"), [((6, 8), (1.0, 1.0, 1.0)), ((8, 6), (1.0, 1.0))])
def test_axes_must_be_equal(shape, spacing_mm):
    with pytest.raises(ValueError, match="equal axes"):
        masks_of(pixels((1, 1)), pixels((1, 1), shape=shape), spacing_mm)
