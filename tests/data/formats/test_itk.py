"""NRRD and MetaImage files: geometry, text, damage."""

from __future__ import annotations

import bz2
import gzip
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.data.formats import itk
from medseg.data.formats.itk import itk_text, read_itk_reference
from medseg.data.formats.nifti import read_nifti
from medseg.data.image import Image
from medseg.errors import RejectedFileError
from tests.data.scenes import AFFINE, reference, volume

FORMATS = ("a.nrrd", "a.mha", "a.mhd", "a.nhdr")


def read_itk(path: Path) -> Image:
    """The volume, with its voxels where they lie beside a header."""
    beside = [path.with_suffix(ending) for ending in (".raw", ".raw.gz", ".zraw")]
    return itk.read_itk(path, next((file for file in beside if file.exists()), None))


def code(path: Path, read=read_itk) -> str:
    with pytest.raises(RejectedFileError) as caught:
        read(path)
    assert caught.value.path == path
    assert str(path.parent) not in caught.value.reason
    return caught.value.code


def oblique(array: np.ndarray | None = None) -> sitk.Image:
    """2 x 3 x 4 mm voxels, turned by 30 degrees about K, at LPS (10, 20, 30)."""
    image = sitk.GetImageFromArray(volume() if array is None else array)
    image.SetSpacing((2, 3, 4))
    image.SetOrigin((10, 20, 30))
    cos, sin = np.sqrt(0.75), 0.5
    image.SetDirection((cos, -sin, 0, sin, cos, 0, 0, 0, 1))
    return image


def written(image: sitk.Image, path: Path) -> Path:
    sitk.WriteImage(image, path)
    return path


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("compress", [True, False])
def test_every_format_gives_the_image_that_nifti_gives(tmp_path: Path, name: str, compress: bool) -> None:
    sitk.WriteImage(oblique(), tmp_path / name, useCompression=compress)
    nifti = read_nifti(written(oblique(), tmp_path / "a.nii.gz"))
    image = read_itk(tmp_path / name)
    assert np.array_equal(image.array, nifti.array)
    assert image.array.dtype == np.int16
    assert np.allclose(image.affine, nifti.affine, atol=1e-5)


def as_itk_reads(path: Path) -> Image:
    """The same file by way of ITK and NIfTI."""
    return read_nifti(written(sitk.ReadImage(path), path.with_suffix(".nii")))


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"])
@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_every_type_of_number_is_read_as_itk_reads_it(tmp_path: Path, kind: str, name: str) -> None:
    array = volume().astype(kind) if kind.startswith(("i", "f")) else np.abs(volume()).astype(kind)
    path = written(oblique(array), tmp_path / name)
    assert np.array_equal(read_itk(path).array, as_itk_reads(path).array)


@pytest.mark.parametrize("space", ["right-anterior-superior", "RAS", "left-anterior-superior", "LPS", "scanner-xyz"])
def test_every_space_of_nrrd_is_placed_as_itk_places_it(tmp_path: Path, space: str) -> None:
    path = written(oblique(), tmp_path / "a.nrrd")
    path.write_bytes(path.read_bytes().replace(b"left-posterior-superior", space.encode()))
    assert np.allclose(read_itk(path).affine, as_itk_reads(path).affine, atol=1e-5)


@pytest.mark.parametrize("encoding", ["raw", "ascii", "gzip", "bzip2"])
@pytest.mark.parametrize("endian", ["little", "big"])
def test_every_encoding_of_nrrd_is_read(tmp_path: Path, encoding: str, endian: str) -> None:
    array = volume()
    plain = array.T.astype("<i2" if endian == "little" else ">i2").tobytes()
    packed = {
        "raw": plain,
        "ascii": " ".join(map(str, array.T.ravel())).encode(),
        "gzip": gzip.compress(plain),
        "bzip2": bz2.compress(plain),
    }[encoding]
    grid = "sizes: 6 5 4\nspace: RAS\nspace directions: (1,0,0) (0,2,0) (0,0,3)\nspace origin: (0,0,0)"
    head = f"NRRD0005\ntype: short\ndimension: 3\n{grid}\nencoding: {encoding}\nendian: {endian}\n\n"
    (tmp_path / "a.nrrd").write_bytes(head.encode() + packed)
    image = read_itk(tmp_path / "a.nrrd")
    assert np.array_equal(image.array[0], array)
    assert np.allclose(image.affine, AFFINE)


def test_a_picture_has_one_slice(tmp_path: Path) -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = read_itk(written(sitk.GetImageFromArray(pixels), tmp_path / "a.mha"))
    assert np.array_equal(image.array[0, :, :, 0], pixels.T[::-1, ::-1])


def test_a_fourth_axis_of_length_one_is_dropped_and_others_are_refused(tmp_path: Path) -> None:
    for length, name in ((1, "one.nrrd"), (2, "two.nrrd")):
        sitk.WriteImage(sitk.GetImageFromArray(np.zeros((length, 4, 5, 6), np.int16), isVector=False), tmp_path / name)
    assert read_itk(tmp_path / "one.nrrd").array.shape == (1, 6, 5, 4)
    assert code(tmp_path / "two.nrrd") == "four-dimensional"


def test_voxels_that_are_no_finite_numbers_are_refused(tmp_path: Path) -> None:
    colours = sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    assert code(written(colours, tmp_path / "rgb.nrrd")) == "colour-voxels"
    infinite = volume().astype(np.float32)
    infinite[0, 0, 0] = np.inf
    assert code(written(oblique(infinite), tmp_path / "inf.mha")) == "non-finite-voxels"


def test_references_hold_whole_numbers(tmp_path: Path) -> None:
    whole = written(oblique(reference(1, 2).astype(np.float32)), tmp_path / "whole.nrrd")
    assert sorted(np.unique(read_itk_reference(whole).array)) == [0, 1, 2]
    half = written(oblique(reference(1, 2) / 2), tmp_path / "half.nrrd")
    assert code(half, read_itk_reference) == "non-integer-values"


def test_without_a_voxel_size_there_is_no_scale(tmp_path: Path) -> None:
    path = written(oblique(), tmp_path / "a.mha")
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(line for line in lines if not line.startswith(b"ElementSpacing")))
    assert code(path) == "no-affine"


def test_voxels_in_another_file_must_lie_beside_under_the_same_name(tmp_path: Path) -> None:
    header = written(oblique(), tmp_path / "a.mhd")
    text = header.read_text()
    for name in ("../a.raw", "/etc/passwd", "b.raw", "LIST", "a%d.raw", ".."):
        header.write_text(text.replace("a.raw", name))
        assert code(header) == "detached-voxels"
    header.write_text(text)
    (tmp_path / "a.raw").unlink()
    assert code(header) == "detached-voxels"


def test_a_header_and_its_voxels_may_lie_in_different_folders_of_a_store(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    header = written(oblique(), tmp_path / "one/a.mhd")
    voxels = (tmp_path / "one/a.raw").rename(tmp_path / "two/a.raw")
    assert np.array_equal(np.sort(itk.read_itk(header, voxels).array.ravel()), np.sort(volume().ravel()))


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_damage_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    assert code(path) == "empty-file"
    path.write_text("no volume")
    assert code(path).startswith("unreadable-")
    for compress in (True, False):
        sitk.WriteImage(oblique(), path, useCompression=compress)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) - 60])
        assert code(path) == "truncated"


def test_a_header_that_promises_more_than_its_file_can_hold_is_refused_unread(tmp_path: Path) -> None:
    sizes = b"sizes: 40000 40000 40000\nspacings: 1 1 1"
    head = b"NRRD0004\ntype: int16\ndimension: 3\n" + sizes + b"\nencoding: gzip\nendian: little\n\n"
    (tmp_path / "a.nrrd").write_bytes(head + gzip.compress(bytes(1000)))
    assert code(tmp_path / "a.nrrd") == "truncated"


def test_text_in_headers_is_found_and_the_grid_is_none(tmp_path: Path) -> None:
    image = oblique()
    image.SetMetaData("PatientName", "Doe^Jane")
    for name in ("a.nrrd", "a.mha"):
        assert [text for field, text in itk_text(written(image, tmp_path / name)).items() if "atient" in field] == [
            "Doe^Jane"
        ]
        assert not itk_text(written(oblique(), tmp_path / name))
    content = (tmp_path / "a.nrrd").read_bytes()
    (tmp_path / "a.nrrd").write_bytes(content.replace(b"\n#", b"\n# scan of Jane Doe\ncontent: Doe\n#", 1))
    found = itk_text(tmp_path / "a.nrrd")
    assert "scan of Jane Doe" in found["NRRD comment"]
    assert found["NRRD content"] == "Doe"


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=st.sampled_from(["a.nrrd", "a.mha"]))
def test_any_damaged_byte_gives_an_image_or_a_reason(tmp_path_factory, data: st.DataObject, name: str) -> None:
    path = tmp_path_factory.mktemp("fuzz") / name
    content = bytearray(written(oblique(), path).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, min(len(content), 600) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(RejectedFileError):
        image = read_itk(path)
        assert image.array.ndim == 4
        assert np.isfinite(image.affine).all()
        itk_text(path)


def test_real_nrrd_files_have_the_geometry_of_the_facts(shared_data: Path) -> None:
    image = read_itk(shared_data / "nrrd/brain1_image.nrrd")
    mask = read_itk_reference(shared_data / "nrrd/brain1_label.nrrd")
    assert image.geometry.shape == (256, 256, 25)
    assert np.allclose(image.geometry.spacing_mm, (0.7812, 0.7812, 6.5), atol=1e-3)
    assert (mask.array == 1).sum() == 4137
    assert mask.geometry.matches(image.geometry, 0.01)
