"""Pixels of every transfer syntax, kind of colour and grey; what is cut short is refused, never padded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from medseg.data.dicom.pictures import picture_image
from medseg.data.dicom.pixels import PixelReader
from medseg.errors import RejectedFileError
from tests.data.scenes import slice_dataset

STORED = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)


def values(path: Path) -> np.ndarray:
    return PixelReader().read(path)[1]


def picture(path: Path, rgb: bool = False) -> np.ndarray:
    """(rows, columns) or (rows, columns, 3), as shown."""
    header, stored = PixelReader().read(path)
    array = picture_image(header.dataset, stored, path, rgb).array[:, ::-1, ::-1, 0]
    return array.transpose(2, 1, 0) if rgb else array[0].T


def code(path: Path) -> str:
    with pytest.raises(RejectedFileError) as caught:
        values(path)
    return caught.value.code


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless, JPEGLSLossless]
)
def test_every_lossless_syntax_gives_the_stored_values(tmp_path: Path, syntax: str) -> None:
    dataset = slice_dataset(0, STORED)
    if syntax in (RLELossless, JPEG2000Lossless):
        dataset.compress(syntax)
    elif syntax == JPEGLSLossless:
        pytest.importorskip("jpeg_ls", reason="encoder only; real files show the decoder")
        dataset.compress(syntax)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert np.array_equal(values(tmp_path / "a.dcm"), STORED)


def test_known_equal_files_decode_to_identical_pixels(shared_data: Path) -> None:
    folder = shared_data / "dicom_misc_pydicom"
    names = ["_RLE", "_bigendian", "_expb", "_implicit", "_jp2klossless", "_jpeg_ls_lossless", "_padded"]
    expected = values(folder / "MR_small.dcm")
    assert all(np.array_equal(values(folder / f"MR_small{name}.dcm"), expected) for name in names)
    for number in range(1, 5):
        one = [
            values(shared_data / f"dicom/generic_compressed_{kind}_001/dicom/IM-0001-{number:04d}-0001.dcm")
            for kind in ("j2k", "jpeg", "jpegls", "rle")
        ]
        assert all(np.array_equal(other, one[0]) for other in one[1:])


@pytest.mark.parametrize("name", ["JPEG-LL", "JPEG2000", "image_dfl", "color-px", "US1_J2KR", "SC_rgb_rle_16bit"])
def test_real_pictures_are_decoded(shared_data: Path, name: str) -> None:
    assert picture(shared_data / "dicom_misc_pydicom" / f"{name}.dcm", rgb=True).ndim == 3


def test_planar_configurations_and_endianness_give_the_same_colours(shared_data: Path) -> None:
    folder = shared_data / "dicom_misc_pydicom"
    names = ("SC_rgb", "SC_rgb_rle", "SC_rgb_expb", "SC_rgb_jpeg_gdcm")
    pictures = [picture(folder / f"{name}.dcm", rgb=True) for name in names]
    assert all(np.array_equal(found, pictures[0]) for found in pictures[1:])
    assert pictures[0][5, 50].tolist() == [255, 0, 0]  # the first bar is red
    wide = picture(folder / "SC_rgb_16bit.dcm", rgb=True)
    assert wide.dtype == np.uint16
    assert np.array_equal(wide // 257, pictures[0])


def colour_dataset(pixels: np.ndarray, photometric: str, planar: int = 0) -> Dataset:
    dataset = slice_dataset(0, np.zeros(pixels.shape[:2], np.uint16))
    dataset.SOPClassUID, dataset.Modality = SecondaryCaptureImageStorage, "OT"
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept"):
        delattr(dataset, keyword)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = pixels.shape[2], photometric
    dataset.PlanarConfiguration = planar
    dataset.PixelData = (pixels.transpose(2, 0, 1) if planar else pixels).astype(np.uint8).tobytes()
    return dataset


@pytest.mark.parametrize("planar", [0, 1])
def test_luminance_weighs_colours_as_television_does(tmp_path: Path, planar: int) -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [77, 77, 77]]], np.uint8)
    path = tmp_path / "a.dcm"
    colour_dataset(pixels, "RGB", planar).save_as(path, enforce_file_format=True)
    assert np.array_equal(picture(path, rgb=True), pixels)
    assert picture(path).tolist() == [[76, 150], [29, 77]]


def test_palettes_become_colours(tmp_path: Path) -> None:
    dataset = colour_dataset(np.array([[[0], [1]], [[2], [1]]], np.uint8), "PALETTE COLOR")
    for colour, entries in (("Red", [0, 10, 20, 0]), ("Green", [0, 30, 40, 0]), ("Blue", [0, 50, 60, 0])):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [4, 0, 8])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", bytes(entries))
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert picture(tmp_path / "a.dcm", rgb=True).tolist() == [[[0, 0, 0], [10, 30, 50]], [[20, 40, 60], [10, 30, 50]]]


def grey_picture(tmp_path: Path, **attributes: object) -> Path:
    dataset = colour_dataset(np.array([[[0], [100]], [[200], [255]]], np.uint8), "MONOCHROME2")
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    return tmp_path / "a.dcm"


def test_monochrome1_modality_lut_and_rescale_of_pictures(tmp_path: Path) -> None:
    inverted = grey_picture(tmp_path, PhotometricInterpretation="MONOCHROME1")
    assert picture(inverted).tolist() == [[255, 155], [55, 0]]
    rescaled = picture(grey_picture(tmp_path, RescaleSlope=2, RescaleIntercept=-10))
    assert rescaled.tolist() == [[-10, 190], [390, 500]]
    lut = Dataset()
    lut.LUTDescriptor = [256, 0, 16]
    lut.LUTData = np.arange(0, 3 * 256, 3, dtype="<u2").tobytes()
    assert picture(grey_picture(tmp_path, ModalityLUTSequence=[lut])).tolist() == [[0, 300], [600, 765]]


def test_pixel_size_is_the_calibrated_one_then_the_detectors_then_1_mm(tmp_path: Path) -> None:
    def spacing_mm(**attributes: object) -> tuple[float, float, float]:
        path = grey_picture(tmp_path, **attributes)
        header, stored = PixelReader().read(path)
        return picture_image(header.dataset, stored, path, False).geometry.spacing_mm

    assert spacing_mm(PixelSpacing=[0.2, 0.1], ImagerPixelSpacing=[0.4, 0.3]) == (0.1, 0.2, 1)
    assert spacing_mm(PixelSpacing=None, ImagerPixelSpacing=[0.4, 0.3]) == (0.3, 0.4, 1)
    assert spacing_mm(PixelSpacing=None) == (1, 1, 1)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless])
def test_pixels_that_are_cut_short_are_refused(tmp_path: Path, syntax: str | None) -> None:
    dataset = slice_dataset(0, STORED)
    if syntax:
        dataset.compress(syntax)
    path = tmp_path / "a.dcm"
    dataset.save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes()[:-100])
    assert code(path) == "truncated"


def test_floating_point_pixels_and_unknown_syntaxes_are_refused(tmp_path: Path) -> None:
    dataset = slice_dataset(0, STORED)
    dataset.FloatPixelData = STORED.astype("<f4").tobytes()
    del dataset.PixelData
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert code(tmp_path / "a.dcm") == "unsupported-pixels"
    dataset = slice_dataset(0, STORED)
    dataset.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    data = (tmp_path / "b.dcm").read_bytes()
    (tmp_path / "b.dcm").write_bytes(data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0"))
    assert code(tmp_path / "b.dcm") == "unreadable-dicom"
