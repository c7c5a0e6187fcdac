"""Class values on another grid: the same place in the scanner, whatever the voxels."""

from __future__ import annotations

import numpy as np

from medseg.data.image import Image
from medseg.data.regrid import resampled_classes
from medseg.types import Geometry


def block(value: int = 3) -> Image:
    """10 mm cube of 1 mm voxels with a 4 mm cube of one class from voxel 3 to 6."""
    array = np.zeros((1, 10, 10, 10), np.uint8)
    array[:, 3:7, 3:7, 3:7] = value
    return Image(array, np.eye(4))


def test_the_same_grid_changes_nothing() -> None:
    assert np.array_equal(resampled_classes(block(), block().geometry), block().array)


def test_a_grid_moved_by_whole_voxels_shows_the_class_moved_the_other_way() -> None:
    moved = np.eye(4)
    moved[0, 3] = 2
    result = resampled_classes(block(), Geometry((10, 10, 10), moved))
    assert np.array_equal(result[0, 1:5, 3:7, 3:7], np.full((4, 4, 4), 3))
    assert (result > 0).sum() == 64


def test_finer_voxels_show_the_same_lengths() -> None:
    fine = np.diag([0.5, 0.5, 0.5, 1.0])
    fine[:3, 3] = -0.25  # two fine voxels lie in every coarse one
    result = resampled_classes(block(), Geometry((20, 20, 20), fine))
    for line in (result[0, :, 10, 10], result[0, 10, :, 10], result[0, 10, 10, :]):
        assert (line > 0).sum() * 0.5 == 4  # mm


def test_what_lies_outside_is_background() -> None:
    away = np.eye(4)
    away[:3, 3] = 100
    assert not resampled_classes(block(), Geometry((5, 5, 5), away)).any()


def test_of_two_classes_the_one_with_the_larger_share_wins() -> None:
    array = np.zeros((1, 4, 1, 1), np.uint8)
    array[0, :2], array[0, 2:] = 1, 2
    shifted = np.eye(4)
    shifted[0, 3] = 0.4
    result = resampled_classes(Image(array, np.eye(4)), Geometry((3, 1, 1), shifted))
    assert result.ravel().tolist() == [1, 1, 2]
