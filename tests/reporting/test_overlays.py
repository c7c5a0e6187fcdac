"""Pictures whose pixels can be told beforehand."""

import numpy as np
import pytest

from medseg.data.image import slice_axis
from medseg.reporting.overlays import class_colour, draw_overlay, largest_slice


def scene(shape=(20, 20, 3)):
    image = np.zeros(shape, dtype=np.float32)
    image[10:] = 100  # bright on the patient's right half
    return image, np.zeros(shape, dtype=np.uint8)


def test_the_patients_right_is_on_the_left_and_anterior_on_top():
    image, nothing = scene()
    image[:, 15:] = 0  # dark in front
    picture = draw_overlay(image, nothing, nothing, (1.0, 1.0, 1.0))
    assert picture.shape == (360, 360, 3)
    assert picture.dtype == np.uint8
    assert picture[300, 60].tolist() == [255, 255, 255]
    assert picture[300, 300].tolist() == [0, 0, 0]
    assert picture[30, 60].tolist() == [0, 0, 0]


def test_reference_is_a_line_and_prediction_a_fill():
    image, reference = scene()
    image[:] = 0
    reference[5:15, 5:15, 1] = 1
    prediction = np.zeros_like(reference)
    prediction[5:15, 5:10, 1] = 2  # the posterior half, as another class
    picture = draw_overlay(image, reference, prediction, (1.0, 1.0, 1.0)).astype(int)
    colours = {tuple(pixel) for pixel in picture.reshape(-1, 3).tolist()}
    fill = tuple(round(0.4 * channel) for channel in class_colour(2))
    assert colours == {(0, 0, 0), class_colour(1), fill}
    assert tuple(picture[250, 180]) == fill  # inside, behind the middle
    assert tuple(picture[100, 180]) == (0, 0, 0)  # inside, before the middle: a line surrounds it


def test_anisotropic_voxels_keep_their_proportions():
    nothing = np.zeros((20, 10, 1), dtype=np.uint8)
    image = np.arange(200, dtype=np.float32).reshape(20, 10, 1)
    picture = draw_overlay(image, nothing, nothing, (1.0, 4.0, 1.0), window=(-100, 0))
    lit = picture.all(axis=2)  # 20 mm across of 40 mm down
    assert lit.any(axis=0).sum() == 180
    assert lit.any(axis=1).sum() == 360


def test_the_view_is_cut_to_what_is_marked():
    image, reference = scene((60, 60, 1))
    image[:] = np.arange(60)[:, None, None]
    reference[28:32, 28:32] = 1
    picture = draw_overlay(image, reference, reference, (1.0, 1.0, 1.0))
    marked = (picture.max(axis=2) != picture.min(axis=2)).any(axis=0).sum()
    assert marked == pytest.approx(360 * 4 / 20, abs=4)  # 4 of the 20 mm that are a third of the image


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "axis"),
    [
        ((9, 9, 9), (1, 1, 1), 2),
        ((9, 9, 9), (1, 1, 5), 2),
        ((9, 9, 9), (5, 1, 1), 0),
        ((9, 9, 9), (0.9, 3, 0.9), 1),
        ((9, 9, 9), (1.2, 1, 1), 2),
        ((9, 9, 1), (1, 4, 1), 2),
    ],
)
def test_slices_are_shown_as_they_were_taken(shape, spacing_mm, axis):
    assert slice_axis(shape, spacing_mm) == axis


def test_largest_slice_or_the_middle():
    mask = np.zeros((4, 4, 5), dtype=bool)
    assert largest_slice(mask, 2) == 2
    mask[0, 0, 1] = mask[0, :, 3] = True
    assert largest_slice(mask, 2) == 3
