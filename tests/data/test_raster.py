"""PNG and JPEG pictures: modes, orientation and damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medseg.data.raster import read_mask, read_picture
from medseg.errors import RejectedFileError
from tests.data.scenes import write_picture

GREY = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)  # 2 rows of 3 columns


def code(path: Path, read=lambda path: read_picture(path, rgb=False)) -> str:
    with pytest.raises(RejectedFileError) as caught:
        read(path)
    return caught.value.code


def test_columns_run_to_the_left_and_rows_down(tmp_path: Path) -> None:
    image = read_picture(write_picture(tmp_path / "a.png", GREY), rgb=False)
    assert np.array_equal(image.array[0, :, :, 0], GREY.T[::-1, ::-1])
    assert image.geometry.spacing_mm == (1, 1, 1)
    top_left = image.affine @ (2, 1, 0, 1)  # last voxel: the picture's first pixel
    assert np.allclose(top_left, (0, 0, 0, 1))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
def test_grey_keeps_its_levels_in_every_mode(tmp_path: Path, mode: str) -> None:
    path = write_picture(tmp_path / "a.png", GREY, mode)
    assert np.array_equal(read_picture(path, rgb=False).array[0, :, :, 0], GREY.T[::-1, ::-1])


def test_sixteen_bits_stay(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", GREY.astype(np.uint16) * 1000)
    image = read_picture(path, rgb=False)
    assert image.array.dtype == np.uint16
    assert image.array.max() == 60000


def test_rgb_keeps_three_channels_and_others_take_luminance(tmp_path: Path) -> None:
    red = np.zeros((2, 3, 3), np.uint8)
    red[..., 0] = 255
    path = write_picture(tmp_path / "a.png", red)
    assert [int(channel.max()) for channel in read_picture(path, rgb=True).array] == [255, 0, 0]
    assert read_picture(path, rgb=False).array.max() == 76  # 0.299 * 255


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "jpeg.png", np.full((8, 8), 99, np.uint8), format="JPEG")
    assert read_picture(path, rgb=False).array[0, 0, 0, 0] == 99


def test_damage_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    for name in ("a.png", "a.jpg"):
        path = write_picture(tmp_path / name, noise)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert code(path) == "unreadable-picture"
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    assert code(tmp_path / "text.png") == "unreadable-picture"
    assert code(tmp_path / "empty.png") == "empty-file"


def test_palette_indices_are_class_values(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    import PIL.Image

    picture = PIL.Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(path)
    assert sorted(read_mask(path).image.array.ravel()) == [0, 1, 2]


def test_coloured_mask_is_refused_but_grey_rgb_is_read(tmp_path: Path) -> None:
    grey = write_picture(tmp_path / "grey.png", GREY, "RGB")
    assert np.array_equal(read_mask(grey).image.array[0, :, :, 0], GREY.T[::-1, ::-1])
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[0, 0] = (255, 0, 0)
    assert code(write_picture(tmp_path / "colours.png", colours), read_mask) == "colour-mask"


def test_odd_real_pictures(shared_data: Path) -> None:
    odd = shared_data / "odd/png"
    same = read_picture(odd / "rgba.png", rgb=False).array
    for name in ("palette.png", "jpeg_named.png", "sixteen_bit.png", "cmyk.jpg"):
        assert read_picture(odd / name, rgb=False).array.shape == same.shape
    assert code(odd / "truncated.png") == "unreadable-picture"
