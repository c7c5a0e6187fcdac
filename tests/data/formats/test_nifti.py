"""NIfTI files are read into RAS+, and every kind of damage is refused with its code."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medseg.data.formats.nifti import (
    MEMBER_BYTES,
    header_bytes,
    nifti_bytes,
    nifti_image,
    plain_nifti,
    read_nifti,
    read_nifti_reference,
    write_nifti,
)
from medseg.data.image import to_ras
from medseg.errors import RejectedFileError
from tests.data.scenes import AFFINE, reference, volume, write_volume


def code(path: Path, read=read_nifti) -> str:
    with pytest.raises(RejectedFileError) as caught:
        read(path)
    assert caught.value.path == path
    return caught.value.code


def test_voxels_and_affine_come_back(tmp_path: Path) -> None:
    image = read_nifti(write_volume(tmp_path / "a.nii.gz", volume()))
    assert np.array_equal(image.array[0], volume())
    assert image.array.dtype == np.int16
    assert image.geometry.spacing_mm == (1, 2, 3)


def test_volume_stored_towards_left_posterior_inferior_is_the_same_image(tmp_path: Path) -> None:
    flipped = AFFINE @ np.diag([-1, -1, -1, 1.0])
    flipped[:3, 3] = AFFINE[:3, :3] @ (np.array(volume().shape) - 1)
    stored = write_volume(tmp_path / "lpi.nii", volume()[::-1, ::-1, ::-1], flipped)
    image = read_nifti(stored)
    assert np.array_equal(image.array[0], volume())
    assert np.allclose(image.affine, AFFINE)


@given(st.permutations(range(3)), st.tuples(*[st.sampled_from([-1, 1])] * 3), hnp.arrays(np.int16, (3, 4, 2)))
@settings(max_examples=30)
def test_every_voxel_keeps_its_place_in_space(axes: list[int], signs: tuple[int, ...], array: np.ndarray) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.diag([1.0, 2.0, 3.0])[:, axes] * signs
    affine[:3, 3] = (7, -5, 3)
    moved, new_affine = to_ras(array, affine)
    assert (np.diag(new_affine) > 0).all()
    for index in np.ndindex(array.shape):
        place = affine @ (*index, 1)
        there = tuple(np.rint(np.linalg.solve(new_affine, place))[:3].astype(int))
        assert moved[there] == array[index]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", ">i2"])
def test_small_integers_keep_their_type(tmp_path: Path, dtype: str) -> None:
    image = read_nifti(write_volume(tmp_path / "a.nii.gz", np.ones((2, 2, 2), dtype)))
    assert image.array.dtype == np.dtype(dtype).newbyteorder("=")


@pytest.mark.parametrize("dtype", ["int32", "float64", "float32"])
def test_other_numbers_become_float32(tmp_path: Path, dtype: str) -> None:
    assert read_nifti(write_volume(tmp_path / "a.nii.gz", np.ones((2, 2, 2), dtype))).array.dtype == np.float32


def test_trailing_axis_of_one_is_a_volume_and_more_are_channels_only_on_request(tmp_path: Path) -> None:
    assert read_nifti(write_volume(tmp_path / "one.nii", volume(shape=(3, 3, 3, 1)))).array.shape == (1, 3, 3, 3)
    four = write_volume(tmp_path / "four.nii", volume(shape=(3, 3, 3, 2)))
    assert code(four) == "four-dimensional"
    assert read_nifti(four, channels=True).array.shape == (2, 3, 3, 3)


def test_one_flipped_byte_fails_the_crc(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "a.nii.gz", volume())
    damaged = bytearray(path.read_bytes())
    damaged[-6] ^= 1
    path.write_bytes(damaged)
    assert code(path) == "damaged-gzip"


def test_cut_files_are_refused_compressed_or_not(tmp_path: Path) -> None:
    for name, expected in (("a.nii.gz", "damaged-gzip"), ("a.nii", "truncated")):
        path = write_volume(tmp_path / name, volume())
        path.write_bytes(path.read_bytes()[:-20])
        assert code(path) == expected


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.nii").write_bytes(b"")
    (tmp_path / "text.nii").write_bytes(b"not an image at all")
    (tmp_path / "zipped-text.nii.gz").write_bytes(gzip.compress(b"not an image"))
    assert code(tmp_path / "empty.nii") == "empty-file"
    assert code(tmp_path / "text.nii") == "unreadable-nifti"
    assert code(tmp_path / "zipped-text.nii.gz") == "unreadable-nifti"


def test_nan_and_infinity_are_refused(tmp_path: Path) -> None:
    for value in (np.nan, np.inf):
        bad = np.zeros((2, 2, 2), np.float32)
        bad[0, 0, 0] = value
        assert code(write_volume(tmp_path / "a.nii", bad)) == "non-finite-voxels"


def test_affine_without_any_scale_is_refused(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "a.nii", volume())
    raw = bytearray(path.read_bytes())
    raw[80:92] = bytes(12)  # pixdim of I, J, K
    raw[252:256] = bytes(4)  # qform and sform code
    path.write_bytes(raw)
    assert code(path) == "no-affine"


def test_reference_must_hold_whole_numbers(tmp_path: Path) -> None:
    whole = write_volume(tmp_path / "whole.nii", reference(1, 2).astype(np.float32))
    assert read_nifti_reference(whole).array.dtype.kind == "i"
    assert code(write_volume(tmp_path / "half.nii", reference(1) * np.float32(1.3)), read_nifti_reference) == (
        "non-integer-values"
    )


def test_the_scaling_of_a_header_is_no_fraction(tmp_path: Path) -> None:
    scaled = nibabel.Nifti1Image(reference(1, 2).astype(np.float64), AFFINE)
    scaled.set_data_dtype(np.int16)  # as nibabel stores it: 16 bits over the range of the values, times a slope
    nibabel.save(scaled, tmp_path / "scaled.nii")
    assert np.abs(nibabel.load(tmp_path / "scaled.nii").get_fdata() - reference(1, 2)).max() > 1e-5
    np.testing.assert_array_equal(read_nifti_reference(tmp_path / "scaled.nii").array[0], reference(1, 2))


@pytest.mark.parametrize(("value", "dtype"), [(1e30, "f4"), (-1e30, "f4"), (2**63, "u8"), (2**40, "i8")])
def test_class_values_that_cannot_be_told_apart_are_refused(tmp_path: Path, value: float, dtype: str) -> None:
    values = np.zeros((2, 2, 2), dtype)
    values[0, 0, 0] = value
    path = tmp_path / "large.nii"
    nibabel.save(nibabel.Nifti1Image(values, AFFINE, dtype=dtype), path)
    with pytest.raises(RejectedFileError, match=r"within 16777216 of 0 to be told apart, found"):
        read_nifti_reference(path)


def test_half_of_a_header_and_voxel_pair_is_no_volume(tmp_path: Path) -> None:
    values = np.ones((2, 2, 2), np.uint8)  # so few that the header itself has bytes enough for them
    nibabel.save(nibabel.Nifti1Pair(values, AFFINE), tmp_path / "pair.hdr")
    assert code(tmp_path / "pair.hdr") == "unreadable-nifti"


def test_written_twice_gives_equal_bytes_without_text(tmp_path: Path) -> None:
    first, second = tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"
    write_nifti(first, volume(), AFFINE)
    write_nifti(second, volume(), AFFINE)
    assert first.read_bytes() == second.read_bytes()
    header = nibabel.load(first).header
    assert not any(bytes(header[name]).strip(b"\0") for name in ("descrip", "aux_file", "db_name", "intent_name"))
    assert np.array_equal(read_nifti(first).array[0], volume())


OBLIQUE = np.array([[1.4, -0.3, 0.1, 7], [0.3, 1.4, -0.6, -5], [0.0, 0.4, 2.9, 3], [0, 0, 0, 1.0]])


@given(
    hnp.arrays(st.sampled_from([np.uint8, np.int16, np.uint16, np.float32]), hnp.array_shapes(min_dims=3, max_dims=3))
)
@settings(max_examples=30)
def test_bytes_are_those_of_nibabel_and_any_gzip_reads_them(array: np.ndarray) -> None:
    nifti = nibabel.Nifti1Image(array, OBLIQUE)
    nifti.set_qform(OBLIQUE, code="scanner")
    nifti.set_sform(OBLIQUE, code="scanner")
    nifti.header.set_xyzt_units("mm")
    plain = nifti.to_bytes()
    assert plain_nifti(array, OBLIQUE) == plain
    written = nifti_bytes(array[::-1][::-1], OBLIQUE)
    assert gzip.decompress(written) == plain
    assert header_bytes(plain) == gzip.decompress(written)[:352]
    assert written[4:8] == bytes(4), "no time of writing"


def test_a_large_volume_is_one_file_to_every_reader(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 50, (300, 200, 150)).astype(np.int16)
    assert array.nbytes > 2 * MEMBER_BYTES
    write_nifti(tmp_path / "large.nii.gz", array, AFFINE)
    assert np.array_equal(read_nifti(tmp_path / "large.nii.gz").array[0], array)
    assert np.array_equal(np.asanyarray(nibabel.load(tmp_path / "large.nii.gz").dataobj), array)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / "large.nii.gz")).T, array)


def test_a_volume_towards_any_side_is_written_as_it_is_indexed() -> None:
    turned = volume().transpose(2, 0, 1)[:, ::-1]
    assert nifti_bytes(turned, AFFINE) == nifti_bytes(np.ascontiguousarray(turned), AFFINE)


def test_slope_and_intercept_are_applied() -> None:
    plain = plain_nifti(volume(), AFFINE)
    plain[112:120] = np.array([2, -3], "<f4").tobytes()
    image = nifti_image(bytes(plain), Path("scaled.nii"))
    np.testing.assert_array_equal(image.array[0], volume() * 2.0 - 3)


@given(st.data())
@settings(max_examples=200)
def test_no_damage_to_a_compressed_file_goes_unseen(data: st.DataObject) -> None:
    whole = nifti_bytes(volume(), AFFINE)
    position = data.draw(st.integers(2, len(whole) - 1), "byte")
    damaged = bytearray(whole)
    damaged[position] ^= 1 << data.draw(st.integers(0, 7), "bit")
    cut = bytes(damaged[: data.draw(st.integers(2, len(whole)), "length")])
    with contextlib.suppress(RejectedFileError):
        np.testing.assert_array_equal(nifti_image(cut, Path("a.nii.gz")).array[0], volume())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("truncated.nii.gz", "damaged-gzip"),
        ("bad_crc.nii.gz", "damaged-gzip"),
        ("empty.nii.gz", "empty-file"),
        ("text.nii.gz", "unreadable-nifti"),
        ("nan_block.nii.gz", "non-finite-voxels"),
        ("nan_voxels/fmri_tsnr.nii.gz", "non-finite-voxels"),
        ("zero_spacing.nii.gz", "no-affine"),
        ("four_d/dmri.nii.gz", "four-dimensional"),
        ("rgb_dtype/rgb_test_file.nii.gz", "colour-voxels"),
    ],
)
def test_bad_real_files_are_refused(shared_data: Path, name: str, expected: str) -> None:
    assert code(shared_data / "odd/nifti" / name) == expected


def test_odd_real_files_are_read(shared_data: Path) -> None:
    good = read_nifti(shared_data / "hippocampus_mri/images/hippocampus_007.nii.gz")
    turned = read_nifti(shared_data / "odd/nifti/same_as_LPI.nii.gz")
    assert np.array_equal(turned.array, good.array)
    assert np.allclose(turned.affine, good.affine)
    assert read_nifti(shared_data / "odd/nifti/one_slice.nii.gz").array.shape == (1, 34, 47, 1)
    assert read_nifti(shared_data / "odd/nifti/not_gzip.nii.gz").array.ndim == 4
