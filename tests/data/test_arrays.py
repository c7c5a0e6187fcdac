"""Arrays come back as they were written, with what belongs to their case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.data.arrays import FOREGROUND_SAMPLES, CaseArrays, image_bytes, reference_bytes
from medseg.data.steps import NativeGrid, PreparedCase
from medseg.errors import DataError
from tests.data.prepared import write_arrays

NATIVE = NativeGrid((9, 9, 9), (1, 0, 2), (5, 9, 8))
IMAGE = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)


def test_voxels_and_the_way_back_come_back(tmp_path: Path) -> None:
    reference = np.random.default_rng(1).integers(0, 3, (4, 5, 6)).astype(np.uint8)
    write_arrays(tmp_path, "a", IMAGE, reference, NATIVE)
    arrays = CaseArrays(tmp_path, "a")
    np.testing.assert_array_equal(arrays.image[:], IMAGE)
    np.testing.assert_array_equal(arrays.image[1, 2:3, :, 4], IMAGE[1, 2:3, :, 4])
    np.testing.assert_array_equal(arrays.reference[:], reference)
    assert arrays.native == NATIVE


def test_positions_of_a_class_are_voxels_of_that_class(tmp_path: Path) -> None:
    reference = np.zeros((20, 20, 20), np.uint8)
    reference[1, 9, 5], reference[10:, :, :] = 200, 3
    write_arrays(tmp_path, "a", np.zeros((1, 20, 20, 20), np.float32), reference)
    foreground = CaseArrays(tmp_path, "a").foreground
    assert np.unravel_index(foreground[200], reference.shape) == (1, 9, 5)
    assert set(reference.ravel()[foreground[3]]) == {3}
    assert FOREGROUND_SAMPLES / 2 < len(foreground[3]) <= FOREGROUND_SAMPLES
    assert set(foreground) == {3, 200}


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_equal_cases_give_equal_files(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image, reference = rng.normal(size=(1, 3, 4, 5)).astype(np.float32), rng.integers(0, 3, (3, 4, 5)).astype(np.uint8)
    one, other = (PreparedCase(image.copy(), reference.copy(), NATIVE) for _ in range(2))
    assert image_bytes(one) == image_bytes(other)
    assert reference_bytes(one) == reference_bytes(other)


def test_a_damaged_array_is_named(tmp_path: Path) -> None:
    write_arrays(tmp_path, "a", IMAGE, np.zeros((4, 5, 6), np.uint8))
    (tmp_path / "arrays" / "a.b2nd").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"a\.b2nd: not a readable Blosc2 array"):
        CaseArrays(tmp_path, "a")
