"""Every set of real images that is not DICOM is recognised, or read by a card of a few lines."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from medseg.data.labels import encode
from medseg.errors import RejectedFileError
from tests.data.layouts.reading import Listed

GI_COLOURS = """
images: images/{case}.{ext}
references: masks_colour/{case}.{ext}
colours: {small_bowel: yellow, large_bowel: lime, stomach: red}
modality: mr
"""
SPINE_LEVELS = """
images: "{case}.{ext}"
references: "{case}_seg-manual_labeled.{ext}"
"""
SETS = {  # layout, cases, files left out, task
    "breast_us_busi": ("busi", 17, 0, "segmentation"),
    "ct_abdomen": ("suffix-pairs", 1, 0, "segmentation"),
    "cxr_covid_lr": ("left-right-lungs", 19, 0, "segmentation"),
    "cxr_lung": ("pairs", 180, 0, "segmentation"),
    "cxr_pneumonia_28px": ("class-folders", 400, 0, "classification"),
    "gi_mri_512rgb": (GI_COLOURS, 10, 0, "segmentation"),
    "hippocampus_mri": ("pairs", 150, 0, "segmentation"),
    "nrrd": ("suffix-pairs", 2, 0, "segmentation"),
    "nuclei": ("objects", 12, 0, "segmentation"),
    "spine_mri": ("suffix-pairs", 2, 1, "segmentation"),
    "uwmgi_layout": ("uw-madison", 1, 0, "segmentation"),
}


def listed(folder: Path, layout: str, scratch: Path) -> Listed:
    """Recognised as ``layout``, or read by that card."""
    if "\n" in layout:
        assert layout.count("\n") <= 15
        return Listed(folder, yaml.safe_load(layout), scratch)
    found = Listed(folder, "auto", scratch)
    assert found.layout.name == layout
    return found


@pytest.mark.parametrize("name", SETS)
def test_every_set_is_listed_and_read_whole(shared_data: Path, tmp_path: Path, name: str) -> None:
    layout, cases, left_out, task = SETS[name]
    found = listed(shared_data / name, layout, tmp_path)
    assert (found.listing.count, len(found.cases), found.listing.task) == (cases, cases, task)
    assert len(found.codes) == left_out
    used = {file for case in found.cases for file in (*case.images, *case.references)}
    on_disk = {str(path.relative_to(found.source.root)) for path in found.source.root.rglob("*") if path.is_file()}
    assert on_disk == used | set(found.codes) | set(found.listing.metadata)
    for case in found.cases:
        image = found.image(case).image
        assert np.isfinite(image.array).all()
        if task == "segmentation":
            assert found.reference(case).image.geometry.matches(image.geometry, 0.01)


def facts(shared_data: Path) -> dict[str, dict[str, str]]:
    with (shared_data / "FACTS_volumes.csv").open() as file:
        return {row["path"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    ("name", "layout"),
    [(name, SETS[name][0]) for name in ("ct_abdomen", "hippocampus_mri", "nrrd", "spine_mri")]
    + [("spine_mri", SPINE_LEVELS)],
)
def test_volumes_have_the_shapes_and_label_volumes_of_the_facts(
    shared_data: Path, tmp_path: Path, name: str, layout: str
) -> None:
    found = listed(shared_data / name, layout, tmp_path)
    known = facts(shared_data)
    for case in found.cases:
        image_row, row = known[f"{name}/{case.images[0]}"], known[f"{name}/{case.references[0]}"]
        image, reference = found.image(case).image, found.reference(case).image
        shape = sorted(map(int, image_row["shape_xyz"].split("x")))
        assert sorted(image.geometry.shape) == shape
        spacing_mm = sorted(map(float, image_row["spacing_mm"].split("x")))
        assert np.allclose(sorted(image.geometry.spacing_mm), spacing_mm, atol=1e-3)
        assert (image.array.min(), image.array.max()) == (float(image_row["min"]), float(image_row["max"]))
        values, counts = np.unique(reference.array[reference.array > 0], return_counts=True)
        voxel_mm3 = float(np.prod(reference.geometry.spacing_mm))
        wanted = json.loads(row["label_voxels_and_mm3"])
        assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {int(v): n for v, (n, _) in wanted.items()}
        for count, (_, mm3) in zip(counts, wanted.values(), strict=True):
            assert count * voxel_mm3 == pytest.approx(mm3, rel=1e-3)


def test_left_and_right_lungs_have_their_pixels_on_the_side_where_they_are(shared_data: Path, tmp_path: Path) -> None:
    found = listed(shared_data / "cxr_covid_lr", "left-right-lungs", tmp_path)
    with (shared_data / "cxr_covid_lr/cases.csv").open() as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    for case in found.cases:
        values = found.reference(case).image.array[0]
        row = rows[case.case]
        assert (int((values == 1).sum()), int((values == 2).sum())) == (int(row["left_px"]), int(row["right_px"]))
        assert case.patient == row["patient"]
        left, right = (np.nonzero(values == value)[0].mean() for value in (1, 2))
        assert left < right  # I runs to the patient's right


def test_the_slices_of_uw_madison_equal_the_volume_that_they_were_made_from(shared_data: Path, tmp_path: Path) -> None:
    slices = Listed(shared_data / "uwmgi_layout", "auto", tmp_path)
    volume = Listed(shared_data / "ct_abdomen", "auto", tmp_path)
    stacked, original = slices.image().image, volume.image().image
    assert stacked.geometry.shape == original.geometry.shape
    assert np.allclose(stacked.geometry.spacing_mm, original.geometry.spacing_mm)
    reference = slices.reference()
    organs = volume.reference().image.array[0]
    totals = {"stomach": (organs == 6).sum(), "small_bowel": (organs == 18).sum(), "large_bowel": (organs == 20).sum()}
    drawn = {name: (reference.image.array == value).sum() for name, value in (reference.names or {}).items()}
    assert drawn == totals


def test_a_file_without_reference_is_told_the_name_that_it_would_have(shared_data: Path, tmp_path: Path) -> None:
    (left_out,) = Listed(shared_data / "spine_mri", "auto", tmp_path).listing.rejected
    assert left_out.path == "t2_seg-manual_labeled.nii.gz"
    assert left_out.reason == "no reference of this name by {case}_seg-manual.{ext}"


def test_masks_of_lesions_and_nuclei_are_whole(shared_data: Path, tmp_path: Path) -> None:
    lesions = Listed(shared_data / "breast_us_busi", "auto", tmp_path)
    drawn = {case.case: int(encode(lesions.reference(case), {"lesion": 1})[0].sum()) for case in lesions.cases}
    assert {name for name, count in drawn.items() if not count} == {"normal__90_", "normal__127_"}
    two = next(case for case in lesions.cases if case.case == "malignant__53_")
    assert len(two.references) == 2
    nuclei = Listed(shared_data / "nuclei", "auto", tmp_path)
    assert sum(len(case.references) for case in nuclei.cases) == 246
    for case in nuclei.cases:
        assert encode(nuclei.reference(case), {"nucleus": 1})[0].max() == 1


ODD = {  # odd/INDEX.csv: file to code, or None where it is taken
    "nifti/truncated.nii.gz": "damaged-gzip",
    "nifti/bad_crc.nii.gz": "damaged-gzip",
    "nifti/not_gzip.nii.gz": None,
    "nifti/empty.nii.gz": "empty-file",
    "nifti/text.nii.gz": "unreadable-nifti",
    "nifti/nan_block.nii.gz": "non-finite-voxels",
    "nifti/zero_spacing.nii.gz": "no-affine",
    "nifti/one_slice.nii.gz": None,
    "nifti/same_as_LPI.nii.gz": None,
    "nifti/four_d/dmri.nii.gz": "four-dimensional",
    "nifti/nan_voxels/fmri_tsnr.nii.gz": "non-finite-voxels",
    "nifti/rgb_dtype/rgb_test_file.nii.gz": "colour-voxels",
    "png/truncated.png": "unreadable-picture",
    "png/jpeg_named.png": None,
    "png/rgba.png": None,
    "png/palette.png": None,
    "png/cmyk.jpg": None,
    "png/sixteen_bit.png": None,
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_images_end_as_their_index_suggests(shared_data: Path, tmp_path: Path, odd: str) -> None:
    (tmp_path / "source").mkdir()
    shutil.copy(shared_data / "odd" / odd, tmp_path / "source")
    found = Listed(tmp_path / "source")
    if ODD[odd] is None:
        assert np.isfinite(found.image().image.array).all()
        return
    with pytest.raises(RejectedFileError) as caught:
        found.image()
    assert (caught.value.code, caught.value.path) == (ODD[odd], tmp_path / "source" / Path(odd).name)


def test_odd_pairs_are_recognised_beside_each_other(shared_data: Path, tmp_path: Path) -> None:
    found = Listed(shared_data / "odd/nifti", "auto", tmp_path)
    assert (found.layout.name, found.names) == (
        "case-folders",
        ["label_empty", "label_float", "label_unknown_value", "pair_affine_mismatch", "pair_shape_mismatch"],
    )
    codes = {}
    for case in found.cases:
        try:
            found.reference(case)
        except RejectedFileError as error:
            codes[case.case] = error.code
    assert codes == {"label_float": "non-integer-values"}


def test_a_picture_under_the_name_of_a_dicom_file_is_no_case(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for name in ("png_named.dcm", "rgba.png"):
        shutil.copy(shared_data / "odd/png" / name, tmp_path / "source")
    found = Listed(tmp_path / "source", "unlabelled")
    assert found.names == ["rgba"]
