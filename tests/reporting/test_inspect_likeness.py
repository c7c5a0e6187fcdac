"""Copies of images are found, whatever was done to them; unlike images are not."""

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.reporting.inspection.likeness import ALIKE, alike_pairs, small_picture
from tests.reporting.datasets import noise


def pairs(*volumes, flat=False):
    pictures = [small_picture(volume, flat) for volume in volumes]
    found, cut_off = alike_pairs([picture for picture in pictures if picture is not None])
    assert not cut_off
    return [(pair.first, pair.second, pair.mirrored_axes) for pair in found]


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_a_copy_mirrored_along_any_axes_is_found_with_these_axes(axes):
    volume = noise(1)
    assert pairs(volume, noise(2), np.flip(volume, axes)) == [(0, 2, axes)]


def test_a_picture_has_two_axes_to_be_mirrored_along():
    picture = noise(1, (30, 40, 1))
    assert pairs(picture, picture[::-1, ::-1], flat=True) == [(0, 1, (0, 1))]


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(*[st.integers(4, 40)] * 3),
    gain=st.floats(0.01, 100),
    offset=st.floats(-1000, 1000),
)
def test_brightness_and_contrast_do_not_hide_a_copy(seed, shape, gain, offset):
    volume = noise(seed, shape).astype(np.float64)
    assert pairs(volume, gain * volume + offset) == [(0, 1, ())]


def test_an_image_without_detail_is_like_no_other():
    assert small_picture(np.full((8, 8, 8), 7, dtype=np.int16), flat=False) is None
    assert small_picture(np.full((8, 8, 1), 1e6, dtype=np.float32), flat=True) is None


def test_a_copy_of_half_the_size_is_found():
    picture = np.kron(noise(3, (24, 24, 1)), np.ones((4, 4, 1), dtype=np.uint8))
    assert pairs(picture, picture[::2, ::2], flat=True) == [(0, 1, ())]


def test_no_image_and_one_image_have_no_pairs():
    assert pairs() == []
    assert pairs(noise(1)) == []


def test_the_most_alike_come_first_and_every_pair_once():
    volume = noise(1).astype(np.float32)
    changed = volume + np.random.default_rng(0).normal(0, 8, volume.shape)
    assert pairs(volume, changed, volume) == [(0, 2, ()), (0, 1, ()), (1, 2, ())]


def test_a_flood_of_copies_is_cut_off():
    picture = small_picture(noise(1), flat=False)
    found, cut_off = alike_pairs([picture] * 200)  # 19,900 pairs
    assert cut_off
    assert len(found) == 10_000


def grey(path):
    return np.array(PIL.Image.open(path).convert("L")).T[:, ::-1, None]


def test_the_mirrored_radiograph_is_found_among_180_and_nobody_else_is_alike(shared_data):
    paths = sorted((shared_data / "cxr_lung" / "images").iterdir())
    copy = shared_data / "odd/png/near_duplicate_mirrored/mirrored_CHNCXR_0003_0.jpg"
    original = next(n for n, path in enumerate(paths) if path.stem == "CHNCXR_0003_0")
    assert pairs(*(grey(path) for path in [*paths, copy]), flat=True) == [(original, len(paths), (0,))]


def test_recompressed_and_darkened_radiographs_are_still_alike(shared_data, tmp_path):
    for path in sorted((shared_data / "cxr_lung" / "images").iterdir())[:12]:
        picture = PIL.Image.open(path).convert("L")
        picture.point(lambda value: 255 * (value / 255) ** 1.5).save(tmp_path / "dark.png")
        picture.resize((256, 256)).save(tmp_path / "small.jpg", quality=30)
        first = small_picture(grey(path), flat=True)
        for copy in ("dark.png", "small.jpg"):
            assert float((first * small_picture(grey(tmp_path / copy), flat=True)).sum()) > ALIKE
