"""PNG, JPEG and TIFF pictures: modes, orientation, text and damage."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, PngImagePlugin

from medseg.data.formats.raster import read_mask, read_picture
from medseg.errors import RejectedFileError
from tests.data.scenes import write_picture

GREY = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)  # 2 rows of 3 columns


def code(path: Path, read=lambda path: read_picture(path, rgb=False)) -> str:
    with pytest.raises(RejectedFileError) as caught:
        read(path)
    assert caught.value.path == path
    return caught.value.code


def grey(path: Path) -> np.ndarray:
    return read_picture(path, rgb=False).image.array


def test_columns_run_to_the_left_and_rows_down(tmp_path: Path) -> None:
    image = read_picture(write_picture(tmp_path / "a.png", GREY), rgb=False).image
    assert np.array_equal(image.array[0, :, :, 0], GREY.T[::-1, ::-1])
    assert image.geometry.spacing_mm == (1, 1, 1)
    top_left = image.affine @ (2, 1, 0, 1)  # last voxel: the picture's first pixel
    assert np.allclose(top_left, (0, 0, 0, 1))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_grey_keeps_its_levels_in_every_mode(tmp_path: Path, mode: str, name: str) -> None:
    path = write_picture(tmp_path / name, GREY, mode)
    assert np.array_equal(grey(path)[0, :, :, 0], GREY.T[::-1, ::-1])


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_sixteen_bits_stay(tmp_path: Path, name: str) -> None:
    array = grey(write_picture(tmp_path / name, GREY.astype(np.uint16) * 1000))
    assert (array.dtype, array.max()) == (np.uint16, 60000)


def test_floating_point_stays_and_must_be_finite(tmp_path: Path) -> None:
    levels = GREY.astype(np.float32) / 7
    assert grey(write_picture(tmp_path / "a.tif", levels)).max() == levels.max()
    levels[0, 0] = np.nan
    assert code(write_picture(tmp_path / "nan.tif", levels)) == "non-finite-voxels"


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits", None])
def test_compressed_tiff_is_read(tmp_path: Path, compression: str | None) -> None:
    assert np.array_equal(
        grey(write_picture(tmp_path / "a.tif", GREY, compression=compression))[0, ::-1, ::-1, 0].T, GREY
    )


def test_several_pictures_in_one_file_are_refused(tmp_path: Path) -> None:
    pages = [PIL.Image.fromarray(GREY) for _ in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert code(tmp_path / "a.tif") == "several-pictures"


def test_rgb_keeps_three_channels_and_others_take_luminance(tmp_path: Path) -> None:
    red = np.zeros((2, 3, 3), np.uint8)
    red[..., 0] = 255
    path = write_picture(tmp_path / "a.png", red)
    assert [int(channel.max()) for channel in read_picture(path, rgb=True).image.array] == [255, 0, 0]
    assert grey(path).max() == 76  # 0.299 * 255


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "jpeg.png", np.full((8, 8), 99, np.uint8), format="JPEG")
    assert grey(path)[0, 0, 0, 0] == 99


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_damage_is_refused(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    path = write_picture(tmp_path / name, noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert code(path) == "unreadable-picture"
    path.write_text("no picture")
    assert code(path) == "unreadable-picture"
    path.write_bytes(b"")
    assert code(path) == "empty-file"


def test_a_picture_that_unpacks_to_far_too_much_is_refused_unread(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(png)
    assert code(tmp_path / "bomb.png") == "unreadable-picture"


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=st.sampled_from(["a.png", "a.jpg", "a.tif"]))
def test_any_damaged_byte_gives_a_picture_or_a_reason(tmp_path_factory, data: st.DataObject, name: str) -> None:
    path = tmp_path_factory.mktemp("fuzz") / name
    exif = PIL.Image.Exif()
    exif[ExifTags.Base.Artist] = "Doe"
    content = bytearray(write_picture(path, np.arange(240, dtype=np.uint8).reshape(12, 20), exif=exif).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    for read in (lambda path: read_picture(path, rgb=True), read_mask):
        with suppress(RejectedFileError):
            assert read(path).image.array.ndim == 4


def test_palette_indices_are_class_values(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "a.png")
    assert sorted(read_mask(tmp_path / "a.png").image.array.ravel()) == [0, 1, 2]


def test_coloured_mask_is_refused_but_grey_rgb_is_read(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "grey.png", GREY, "RGB")
    assert np.array_equal(read_mask(path).image.array[0, :, :, 0], GREY.T[::-1, ::-1])
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[0, 0] = (255, 0, 0)
    assert code(write_picture(tmp_path / "colours.png", colours), read_mask) == "colour-mask"


def test_masks_say_whether_their_levels_are_exact(tmp_path: Path) -> None:
    lossy = {
        name: read_mask(write_picture(tmp_path / name, GREY, **options)).lossy
        for name, options in (("a.png", {}), ("a.jpg", {}), ("b.tif", {}), ("c.tif", {"compression": "jpeg"}))
    }
    assert lossy == {"a.png": False, "a.jpg": True, "b.tif": False, "c.tif": True}
    half = write_picture(tmp_path / "half.tif", GREY.astype(np.float32) / 4)
    assert code(half, read_mask) == "non-integer-values"


def test_text_in_pictures_is_found_wherever_it_is(tmp_path: Path) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Author", "Jane Doe")
    chunks.add_itxt("Comment", "Müller", zip=True)
    exif = PIL.Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "Doe^Jane"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0MRN-1"
    texts = {
        name: read_picture(write_picture(tmp_path / name, GREY, **options), rgb=False).text
        for name, options in (
            ("a.png", {"pnginfo": chunks, "exif": exif}),
            ("a.jpg", {"comment": "MRN-2", "exif": exif}),
            ("a.tif", {"tiffinfo": {270: "MRN-3"}}),
            ("b.png", {}),
            ("b.jpg", {}),
        )
    }
    assert texts["a.png"]["PNG text Author"] == "Jane Doe"
    assert texts["a.png"]["PNG text Comment"] == "Müller"
    assert texts["a.png"]["EXIF ImageDescription"] == texts["a.jpg"]["EXIF ImageDescription"] == "Doe^Jane"
    assert "MRN-1" in texts["a.jpg"]["EXIF UserComment"]
    assert texts["a.jpg"]["JPEG comment"] == "MRN-2"
    assert texts["a.tif"]["TIFF ImageDescription"] == "MRN-3"
    assert not texts["b.png"]
    assert not texts["b.jpg"]


def test_odd_real_pictures(shared_data: Path) -> None:
    odd = shared_data / "odd/png"
    same = grey(odd / "rgba.png")
    for name in ("palette.png", "jpeg_named.png", "sixteen_bit.png", "cmyk.jpg"):
        assert grey(odd / name).shape == same.shape
    assert np.array_equal(grey(odd / "palette.png"), same)
    assert code(odd / "truncated.png") == "unreadable-picture"
