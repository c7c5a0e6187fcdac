"""Raw folders become data sets: everything is accounted for, nothing is done twice, bad files do no harm."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medseg.artifacts import Dataset, IngestSummary
from medseg.config import DatasetConfig, Recipe
from medseg.data.cases import read_cases
from medseg.data.sample import write_sample
from medseg.errors import DataError, RecipeError, StageError
from medseg.stages.ingest import ingest
from tests.data.scenes import AFFINE, reference, volume, write_pair, write_picture, write_volume


class Ingested:
    """A data set in a local store, read back file by file."""

    def __init__(self, uri: str, source: Path) -> None:
        self.folder = Path(uri)
        self.dataset = Dataset.from_bytes((self.folder / "dataset.json").read_bytes(), uri)
        self.summary = IngestSummary.from_bytes((self.folder / "ingest.json").read_bytes(), uri)
        self.cases = read_cases((self.folder / "cases.parquet").read_bytes())
        with (self.folder / "rejected.csv").open() as file:
            self.rejected = {row["path"]: row["code"] for row in csv.DictReader(file)}
        on_disk = sum(len(files) for _, _, files in os.walk(source))
        assert self.summary.files_seen == on_disk == self.summary.files_accepted + self.summary.files_rejected
        assert self.summary.files_rejected == len(self.rejected) == sum(self.summary.rejected_by_code.values())
        assert self.summary.cases == len(self.cases)

    @property
    def names(self) -> list[str]:
        return [case.case for case in self.cases]

    def image(self, case: str, channel: int = 0) -> nibabel.Nifti1Image:
        return nibabel.load(self.folder / f"images/{case}_{channel:04d}.nii.gz")

    def reference(self, case: str) -> np.ndarray:
        return np.asanyarray(nibabel.load(self.folder / f"labels/{case}.nii.gz").dataobj)


Run = Callable[..., Ingested]


@pytest.fixture
def store(tmp_path: Path) -> str:
    (tmp_path / "store").mkdir()
    return str(tmp_path / "store")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with one good pair."""
    write_pair(tmp_path / "source", "good", seed=1)
    return tmp_path / "source"


@pytest.fixture
def run(store: str) -> Run:
    def ingested(source: Path, **settings: object) -> Ingested:
        return Ingested(ingest(recipe(source, **settings), store), source)

    return ingested


def recipe(source: Path | str | None, **settings: object) -> Recipe:
    where = None if source is None else str(source)
    config = DatasetConfig.model_validate({"name": "scans", "source": where, **settings})
    return Recipe(name="test", dataset=config)


def test_a_pair_becomes_a_data_set_that_other_tools_read(source: Path, run: Run) -> None:
    result = run(source, classes={"core": 1, "rim": 2}, modality="mr")
    assert result.dataset.channel_names == {"0": "MRI"}
    assert result.dataset.labels == {"background": 0, "core": 1, "rim": 2}
    assert (result.dataset.numTraining, result.dataset.file_ending, result.dataset.dimensions) == (1, ".nii.gz", 3)
    assert result.dataset.version == result.folder.name
    image = result.image("good")
    assert np.array_equal(np.asanyarray(image.dataobj), volume(1))
    assert np.allclose(image.affine, AFFINE)
    assert np.array_equal(result.reference("good"), reference(1, 2))
    assert (result.cases[0].shape, result.cases[0].spacing_mm) == ((6, 5, 4), (1, 2, 3))


def test_an_unchanged_source_is_not_read_again(source: Path, store: str, run: Run) -> None:
    first = run(source)
    written = {path: path.stat().st_mtime_ns for path in Path(store).rglob("*")}
    assert run(source).folder == first.folder
    assert {path: path.stat().st_mtime_ns for path in Path(store).rglob("*")} == written


def test_equal_content_elsewhere_has_the_same_version_and_other_content_another(
    source: Path, run: Run, tmp_path: Path
) -> None:
    shutil.copytree(source, tmp_path / "copy")
    assert run(tmp_path / "copy").folder == run(source).folder
    write_pair(source, "more", seed=2)
    assert run(source).folder != run(tmp_path / "copy").folder


def test_a_given_version_is_taken_as_it_is_or_named_as_missing(source: Path, store: str, run: Run) -> None:
    version = run(source).folder.name
    assert ingest(recipe(None, version=version), store).endswith(version)
    with pytest.raises(StageError, match=rf"no such finished data set; versions of 'scans': {version}"):
        ingest(recipe(None, version="0000"), store)


def test_one_bad_file_leaves_its_case_out_and_keeps_the_others(source: Path, run: Run) -> None:
    write_pair(source, "bad")
    (source / "images/bad.nii.gz").write_bytes(b"rubbish")
    (source / ".DS_Store").touch()
    (source / "notes.txt").touch()
    result = run(source)
    assert result.names == ["good"]
    assert result.rejected == {
        "images/bad.nii.gz": "unreadable-nifti",
        "labels/bad.nii.gz": "case-rejected",
        ".DS_Store": "not-part-of-layout",
        "notes.txt": "not-part-of-layout",
    }
    assert not list(result.folder.glob("*/bad*"))


def test_pairs_that_do_not_belong_together_are_refused(source: Path, run: Run) -> None:
    write_pair(source, "shape", reference(1)[:-1])
    write_pair(source, "value", reference(7))
    write_pair(source, "moved")
    moved = AFFINE.copy()
    moved[0, 3] = 15
    write_volume(source / "labels/moved.nii.gz", reference(1), moved)
    write_pair(source, "nudged")
    nudged = AFFINE.copy()
    nudged[0, 3] = 0.05
    write_volume(source / "labels/nudged.nii.gz", reference(1), nudged)
    write_volume(source / "images/lonely.nii.gz", volume())
    result = run(source, classes={"core": 1, "rim": 2})
    assert result.names == ["good", "nudged"]
    faults = {path: code for path, code in result.rejected.items() if code != "case-rejected"}
    assert faults == {
        "labels/shape.nii.gz": "shape-mismatch",
        "labels/value.nii.gz": "unknown-class-value",
        "labels/moved.nii.gz": "affine-mismatch",
        "images/lonely.nii.gz": "reference-missing",
    }


def test_empty_reference_is_kept_beside_others(source: Path, run: Run) -> None:
    write_pair(source, "empty", reference(0))
    assert run(source).reference("empty").max() == 0


def test_no_usable_case_names_counts_reasons_and_layouts(source: Path, store: str) -> None:
    (source / "images/good.nii.gz").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        ingest(recipe(source), store)
    for part in (str(source), "2 files", "1 x empty-file, such as images/good.nii.gz", "medseg layouts"):
        assert part in str(caught.value)
    kept = (Path(store) / "datasets/scans/refused/rejected.csv").read_text()
    assert kept.startswith("path,code,reason\nimages/good.nii.gz,empty-file")


def test_references_without_any_class_are_an_error(tmp_path: Path, store: str) -> None:
    write_pair(tmp_path / "blank", "a", reference(0))
    with pytest.raises(DataError, match="nothing but background"):
        ingest(recipe(tmp_path / "blank"), store)


def test_a_missing_source_is_said(store: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"dataset\.source: is missing"):
        ingest(recipe(None), store)
    with pytest.raises(DataError, match="no such folder"):
        ingest(recipe(tmp_path / "nowhere"), store)


def test_pictures_keep_three_channels_for_rgb_alone(tmp_path: Path, run: Run) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (8, 6, 3), np.uint8)
    mask = np.zeros((8, 6), np.uint8)
    mask[0, 0] = 255
    write_picture(tmp_path / "source/images/a.png", colours)
    write_picture(tmp_path / "source/masks/a.png", mask)
    result = run(tmp_path / "source", modality="rgb")
    assert result.dataset.channel_names == {"0": "red", "1": "green", "2": "blue"}
    assert result.dataset.dimensions == 2
    assert np.array_equal(np.asanyarray(result.image("a", 2).dataobj), colours[..., 2].T[::-1, ::-1, None])
    assert result.dataset.labels == {"background": 0, "foreground": 1}
    assert result.reference("a")[-1, -1, 0] == 1
    assert len(list((run(tmp_path / "source", modality="xray").folder / "images").iterdir())) == 1


def test_images_with_other_channels_than_the_rest_are_refused(tmp_path: Path, run: Run) -> None:
    source = tmp_path / "source"
    for name, channels in (("a", 2), ("b", 1), ("c", 2)):
        for channel in range(channels):
            write_volume(source / f"imagesTr/{name}_{channel:04d}.nii.gz", volume(channel))
        write_volume(source / f"labelsTr/{name}.nii.gz", reference(1))
    result = run(source)
    assert result.names == ["a", "c"]
    assert result.rejected == {"imagesTr/b_0000.nii.gz": "channel-count", "labelsTr/b.nii.gz": "case-rejected"}


def test_the_sample_cohort_leaves_no_identity_in_the_store(tmp_path: Path, run: Run, store: str) -> None:
    write_sample(tmp_path / "source", patients=2)
    result = run(tmp_path / "source")
    assert result.dataset.labels == {"background": 0, "liver": 1, "spleen": 2, "kidney": 3}
    assert (result.dataset.modality, result.dataset.layout) == ("ct", "dicom")
    assert len({case.patient for case in result.cases}) == 2
    for path in Path(store).rglob("*.*"):
        content = nibabel.load(path).to_bytes() if path.suffix == ".gz" else path.read_bytes()
        assert b"Sample^" not in content
        assert b"SAMPLE-" not in content


def test_a_source_may_lie_in_a_store_itself(source: Path, run: Run, tmp_path: Path) -> None:
    from medseg.config import StoreConfig
    from medseg.storage import open_store, session

    config = StoreConfig(uri="embedded", embedded_folder=tmp_path / "s3")
    with session(config) as bucket_uri:
        open_store(bucket_uri).put_folder(source, prefix="raw")
        remote = ingest(recipe(f"{bucket_uri}/raw"), bucket_uri)
        again = ingest(recipe(f"{bucket_uri}/raw"), bucket_uri)
    assert remote == again
    assert remote.rsplit("/", 1)[1] == run(source).folder.name


def linked(shared: Path, folder: Path, count: int = 6) -> Path:
    """The first cases of a real set of pairs, as links."""
    for subfolder in sorted(path for path in shared.iterdir() if path.is_dir()):
        (folder / subfolder.name).mkdir(parents=True)
        for path in sorted(subfolder.iterdir())[:count]:
            (folder / subfolder.name / path.name).symlink_to(path)
    return folder


def test_real_hippocampus_scans_keep_their_shapes_and_label_volumes(
    shared_data: Path, tmp_path: Path, run: Run
) -> None:
    result = run(linked(shared_data / "hippocampus_mri", tmp_path / "source"))
    assert result.rejected == {}
    with (shared_data / "FACTS_volumes.csv").open() as file:
        facts = {row["path"]: row for row in csv.DictReader(file)}
    for case in result.cases:
        row = facts[f"hippocampus_mri/labels/{case.case}.nii.gz"]
        assert "x".join(map(str, case.shape)) == row["shape_xyz"]
        voxels = {value: count for value, (count, _) in json.loads(row["label_voxels_and_mm3"]).items()}
        drawn = result.reference(case.case)
        assert voxels == {str(value): int((drawn == value).sum()) for value in (1, 2)}


def test_real_chest_radiographs_keep_their_mask_volumes(shared_data: Path, tmp_path: Path, run: Run) -> None:
    source = linked(shared_data / "cxr_lung", tmp_path / "source")
    shutil.copy(shared_data / "cxr_lung/cases.csv", source)
    result = run(source, classes={"lung": 255}, modality="xray")
    assert (result.rejected, result.dataset.dimensions) == ({}, 2)
    with (source / "cases.csv").open() as file:
        pixels = {row["case"]: int(row["mask_pixels"]) for row in csv.DictReader(file)}
    assert {name: int(result.reference(name).sum()) for name in result.names} == {
        name: pixels[name] for name in result.names
    }


ODD_PAIRS = {
    "nifti/pair_shape_mismatch": "shape-mismatch",
    "nifti/pair_affine_mismatch": "affine-mismatch",
    "nifti/label_float": "non-integer-values",
    "nifti/label_unknown_value": "unknown-class-value",
    "nifti/label_empty": None,
    "png/pair_size_mismatch": "shape-mismatch",
    "png/mask_grey_edges": None,
}


@pytest.mark.parametrize(("odd", "expected"), ODD_PAIRS.items())
def test_odd_real_pairs_end_as_they_should_beside_a_good_one(
    shared_data: Path, tmp_path: Path, run: Run, odd: str, expected: str | None
) -> None:
    kind = "hippocampus_mri" if odd.startswith("nifti") else "cxr_lung"
    source = linked(shared_data / kind, tmp_path / "source", count=1)
    references = "labels" if kind == "hippocampus_mri" else "masks"
    for path in (shared_data / "odd" / odd).iterdir():
        folder = "images" if path.name.startswith("image") else references
        shutil.copy(path, source / folder / f"odd{''.join(path.suffixes)}")
    classes = {"anterior": 1, "posterior": 2} if kind == "hippocampus_mri" else {"lung": 255}
    result = run(source, classes=classes)
    assert (expected in result.rejected.values()) if expected else "odd" in result.names
    assert len(result.names) == (1 if expected else 2)
    if odd == "png/mask_grey_edges":
        assert "half of its brightest" in result.summary.warnings[0]


def test_grey_jpeg_masks_are_cut_with_a_warning(shared_data: Path, tmp_path: Path, run: Run) -> None:
    name = "CHNCXR_0003_0"
    for folder, path in (
        ("images", shared_data / f"cxr_lung/images/{name}.jpg"),
        ("masks", shared_data / f"odd/png/grey_jpeg_mask/{name}.jpg"),
    ):
        (tmp_path / "source" / folder).mkdir(parents=True)
        shutil.copy(path, tmp_path / "source" / folder)
    result = run(tmp_path / "source")
    assert result.summary.warnings
    assert abs(int(result.reference(name).sum()) - 61827) < 300  # FACTS: thresholded at 127
