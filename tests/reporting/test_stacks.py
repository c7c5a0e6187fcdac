"""Stacks of slices whose pictures can be told beforehand."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest

from medseg.reporting.overlays import PICTURE_PIXELS
from medseg.reporting.stacks import Frame, draw_stack, frame_around, marks_of

SPACING_MM = (1.0, 1.0, 1.0)


def volume(slices: dict[int, int], depth: int = 20) -> np.ndarray:
    """(10, 10, depth) with so many marked voxels in some slices."""
    array = np.zeros((10, 10, depth), dtype=np.uint8)
    for index, count in slices.items():
        array[..., index].flat[:count] = 1
    return array


def frame(reference: np.ndarray, prediction: np.ndarray, most: int = 16) -> Frame:
    expected, predicted = (marks_of(mask, SPACING_MM) for mask in (reference, prediction))
    return frame_around(expected + predicted, expected, 2, SPACING_MM, most)


def test_slices_run_through_what_is_marked_and_one_beyond():
    found = frame(volume({5: 1, 8: 4}), volume({9: 90}))
    assert found.slices == (4, 5, 6, 7, 8, 9, 10)
    assert found.slices[found.start] == 8  # most of the reference, not of the prediction
    assert found.depth == 20


@pytest.mark.parametrize("most", [1, 2, 5, 8])
def test_few_slices_keep_the_largest_one(most):
    found = frame(volume({2: 1, 11: 9, 17: 1}), volume({}), most)
    assert len(found.slices) == most
    assert list(found.slices) == sorted(set(found.slices))
    assert found.slices[found.start] == 11


def test_without_a_reference_the_prediction_leads():
    assert frame(volume({}), volume({3: 5})).slices == (2, 3, 4)


def test_nothing_marked_shows_the_middle():
    assert frame(volume({}), volume({})).slices == (10,)


def test_a_picture_is_one_slice():
    assert frame(volume({0: 4}, depth=1), volume({0: 1}, depth=1)).slices == (0,)


def test_the_view_holds_what_any_slice_marks():
    reference = np.zeros((60, 60, 4), dtype=np.uint8)
    reference[0:2, 30:32, 0] = reference[40:42, 30:32, 3] = 1
    rows, columns = frame(reference, np.zeros_like(reference)).view
    marked = marks_of(reference, SPACING_MM).plane
    assert marked[rows, columns].sum() == marked.sum()


def test_every_slice_is_a_picture_below_the_other():
    image = np.zeros((10, 10, 4), dtype=np.float32)
    image[..., 2] = 1
    mask = volume({1: 0, 2: 100}, depth=4)
    found = frame(mask, mask)
    stack = draw_stack(image, mask * 0, mask * 0, SPACING_MM, found, (0.0, 1.0))
    strip = np.array(PIL.Image.open(io.BytesIO(stack.webp)))
    assert strip.shape == (3 * PICTURE_PIXELS, PICTURE_PIXELS, 3)
    assert [int(part.mean() > 127) for part in np.split(strip, 3)] == [0, 1, 0]
    still = np.array(PIL.Image.open(io.BytesIO(stack.jpeg)))
    assert still.shape == (PICTURE_PIXELS, PICTURE_PIXELS, 3)
    assert still.mean() > 250


def test_equal_voxels_give_equal_bytes():
    image = np.random.default_rng(0).normal(size=(10, 10, 20)).astype(np.float32)
    mask = volume({5: 7, 6: 20})
    first, second = (draw_stack(image, mask, mask, SPACING_MM, frame(mask, mask), None) for _ in "ab")
    assert first == second
