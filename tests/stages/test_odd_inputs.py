"""Bad and odd files, end to end: each is taken or left out as its rule says, and does no harm to the good ones."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medseg.config import DatasetConfig, Recipe
from medseg.data.cases import read_cases
from medseg.stages.ingest import ingest

PAIRS = {  # folder of image and label: code of the file at fault, or accepted
    "pair_shape_mismatch": {"labels/pair_shape_mismatch.nii.gz": "shape-mismatch"},
    "pair_affine_mismatch": {"labels/pair_affine_mismatch.nii.gz": "affine-mismatch"},
    "label_float": {"labels/label_float.nii.gz": "non-integer-values"},
    "label_unknown_value": {"labels/label_unknown_value.nii.gz": "unknown-class-value"},
    "label_empty": {},
}
IMAGES = {
    "nifti/truncated.nii.gz": "damaged-gzip",
    "nifti/bad_crc.nii.gz": "damaged-gzip",
    "nifti/not_gzip.nii.gz": "",
    "nifti/empty.nii.gz": "empty-file",
    "nifti/text.nii.gz": "unreadable-nifti",
    "nifti/nan_block.nii.gz": "non-finite-voxels",
    "nifti/zero_spacing.nii.gz": "no-affine",
    "nifti/one_slice.nii.gz": "",
    "nifti/same_as_LPI.nii.gz": "",
    "nifti/four_d/dmri.nii.gz": "four-dimensional",
    "nifti/nan_voxels/fmri_tsnr.nii.gz": "non-finite-voxels",
    "nifti/rgb_dtype/rgb_test_file.nii.gz": "colour-voxels",
    "png/truncated.png": "unreadable-picture",
    "png/jpeg_named.png": "",
    "png/rgba.png": "",
    "png/palette.png": "",
    "png/cmyk.jpg": "",
    "png/sixteen_bit.png": "",
    "png/png_named.dcm": "unreadable-dicom",
}
# folder or file of DICOM: the code that its files end with, or the number of volumes that are taken
DICOM = {
    "truncated_60pct.dcm": "truncated",
    "header_only_cut.dcm": "unreadable-dicom",
    "no_preamble.dcm": "missing-spacing",  # is read all the same, but a single slice without a thickness is no volume
    "wrong_transfer_syntax_bigendian.dcm": "truncated",
    "no_pixel_data.dcm": "no-pixels",
    "rows_doubled.dcm": "truncated",
    "half_pixel_data.dcm": "truncated",
    "missing_slices": "slice-gap",
    "duplicate_slice": "duplicate-slice",
    "no_positions": "missing-position",
    "shuffled_names": 1,
    "two_series_mixed": 2,
    "gantrytilting": "gantry-tilt",
    "slicecount": 1,
    "missing_slice_CT": "slice-gap",
}


class Result:
    """An ingested source, and what became of its files."""

    def __init__(self, source: Path, store: Path, **settings: object) -> None:
        config = DatasetConfig.model_validate({"name": "odd", "source": str(source), **settings})
        self.folder = Path(ingest(Recipe(name="odd", dataset=config, workers=1), str(store)))
        self.cases = {case.case: case for case in read_cases((self.folder / "cases.parquet").read_bytes())}
        with (self.folder / "rejected.csv").open() as file:
            self.codes = {row["path"]: row["code"] for row in csv.DictReader(file)}

    def image(self, case: str) -> nibabel.Nifti1Image:
        return nibabel.load(self.folder / f"images/{case}_0000.nii.gz")

    def without_followers(self) -> dict[str, str]:
        return {path: code for path, code in self.codes.items() if code != "case-rejected"}


def place(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)


def test_pairs_that_do_not_fit_are_left_out_and_the_others_kept(shared_data: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in PAIRS:
        place(shared_data / f"odd/nifti/{name}/image.nii.gz", source / f"images/{name}.nii.gz")
        place(shared_data / f"odd/nifti/{name}/label.nii.gz", source / f"labels/{name}.nii.gz")
    for kind in ("images", "labels"):
        place(shared_data / f"hippocampus_mri/{kind}/hippocampus_007.nii.gz", source / f"{kind}/good.nii.gz")
    lonely = "images/hippocampus_118.nii.gz"
    place(shared_data / f"odd/nifti/image_without_label/{lonely}", source / lonely)
    result = Result(source, tmp_path / "store", classes={"anterior": 1, "posterior": 2})
    faults = {path: code for codes in PAIRS.values() for path, code in codes.items()}
    assert result.without_followers() == {**faults, lonely: "reference-missing"}
    assert set(result.cases) == {"good", "label_empty"}


def test_single_images_are_taken_or_left_out_with_their_reason(shared_data: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in IMAGES:
        place(shared_data / "odd" / name, source / name.replace("/", "_"))
    place(shared_data / "hippocampus_mri/images/hippocampus_007.nii.gz", source / "good.nii.gz")
    result = Result(source, tmp_path / "store", layout="unlabelled")
    rejected = {name.replace("/", "_"): code for name, code in IMAGES.items() if code}
    named_dcm = {"png_png_named.dcm"}  # this layout does not ask for DICOM
    assert {path: code for path, code in result.codes.items() if path not in named_dcm} == {
        path: code for path, code in rejected.items() if path not in named_dcm
    }
    assert named_dcm <= set(result.codes)
    good, turned = result.image("good"), result.image("nifti_same_as_LPI")
    assert np.array_equal(np.asanyarray(good.dataobj), np.asanyarray(turned.dataobj))
    assert np.allclose(good.affine, turned.affine)


@pytest.mark.parametrize("name", DICOM)
def test_dicom_that_cannot_be_trusted_is_left_out_and_a_good_series_beside_it_kept(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    odd, source = shared_data / "odd/dicom" / name, tmp_path / "source"
    files = [odd] if odd.is_file() else sorted(path for path in odd.rglob("*") if path.is_file())
    for path in files:
        place(path, source / "odd" / path.name)
    for path in sorted((shared_data / "dicom/generic_compressed_rle_001/dicom").iterdir()):
        place(path, source / "good" / path.name)
    result = Result(source, tmp_path / "store")
    own = {path: code for path, code in result.without_followers().items() if path.startswith("odd/")}
    codes, wanted = set(own.values()) - {"not-part-of-layout"}, DICOM[name]
    assert codes == ({wanted} if isinstance(wanted, str) else set())
    assert not [path for path in result.codes if path.startswith("good/")]
    assert len(result.cases) == 1 + (0 if isinstance(wanted, str) else wanted)


def test_two_slices_are_taken_with_a_warning(shared_data: Path, tmp_path: Path) -> None:
    result = Result(shared_data / "odd/dicom/slicecount", tmp_path / "store")
    assert "volumes of 2 slices or fewer: 1" in (result.folder / "ingest.json").read_text()


def test_a_shuffled_series_equals_the_sorted_one(shared_data: Path, tmp_path: Path) -> None:
    sorted_one = Result(shared_data / "dicom_phi_named/PGBM-002/13_HCropVolume", tmp_path / "sorted")
    shuffled = Result(shared_data / "odd/dicom/shuffled_names", tmp_path / "shuffled")
    voxels = [np.asanyarray(found.image(next(iter(found.cases))).dataobj) for found in (sorted_one, shuffled)]
    assert np.array_equal(*voxels)


def test_masks_with_grey_edges_are_thresholded_with_a_warning(shared_data: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    place(shared_data / "odd/png/mask_grey_edges/image.png", source / "images/edges.png")
    place(shared_data / "odd/png/mask_grey_edges/mask.png", source / "masks/edges.png")
    place(shared_data / "odd/png/pair_size_mismatch/image.png", source / "images/size.png")
    place(shared_data / "odd/png/pair_size_mismatch/mask.png", source / "masks/size.png")
    result = Result(source, tmp_path / "store")
    assert result.without_followers() == {"masks/size.png": "shape-mismatch"}
    assert "edges: mask has grey edges: levels above" in (result.folder / "ingest.json").read_text()
