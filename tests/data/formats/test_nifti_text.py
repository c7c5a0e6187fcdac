"""Text in NIfTI headers is found, and an image is loaded without it."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Extension

from medseg.data.formats.nifti_text import nifti_text
from tests.data.layouts.reading import Listed
from tests.data.scenes import AFFINE, volume, write_volume


def named(path: Path, kind: type = nibabel.Nifti1Image) -> Path:
    image = kind(volume(), AFFINE)
    image.header["descrip"], image.header["aux_file"] = b"Doe^Jane", b"MRN-1"
    image.header["intent_name"] = b"birth 1961"
    image.header.extensions.append(Nifti1Extension("comment", b"seen by Dr. House"))
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_every_text_field_and_extension_is_found(tmp_path: Path, name: str, kind: type) -> None:
    assert nifti_text(named(tmp_path / name, kind)) == {
        "NIfTI descrip": "Doe^Jane",
        "NIfTI aux_file": "MRN-1",
        "NIfTI intent_name": "birth 1961",
        "NIfTI extension": "seen by Dr. House",
    }
    assert not nifti_text(write_volume(tmp_path / "plain.nii.gz", volume()))


@pytest.mark.parametrize("promised", [1e30, np.inf, np.nan, -5])
def test_a_header_that_promises_a_huge_extension_is_no_trouble(tmp_path: Path, promised: float) -> None:
    path = named(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[108:112] = np.float32(1e30).tobytes()
    for damaged in (
        bytes(content),
        gzip.compress(bytes(content)),
        gzip.compress(bytes(content))[:100],
        b"\x5c\x01",
        b"",
    ):
        path.write_bytes(damaged)
        assert isinstance(nifti_text(path), dict)


def test_what_was_removed_is_told_without_its_values(tmp_path: Path) -> None:
    named(tmp_path / "source/a.nii.gz")
    loaded = Listed(tmp_path / "source").image()
    assert loaded.removed == dict.fromkeys(
        ("NIfTI descrip", "NIfTI aux_file", "NIfTI intent_name", "NIfTI extension"), "removed"
    )
    assert loaded.identities == {"Doe^Jane", "MRN-1", "birth 1961", "seen by Dr. House"}
