"""A data set becomes training arrays: by parts, by several processes, and again after being stopped."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medseg import pool
from medseg.artifacts import CASES_FILE, DATASET_FILE, PLAN_FILE, Dataset, image_key, reference_key
from medseg.config import Recipe
from medseg.data.arrays import CaseArrays
from medseg.data.cases import write_cases
from medseg.data.formats.nifti import nifti_bytes, read_nifti, write_nifti
from medseg.errors import DataError, StageError
from medseg.stages.parts import Part
from medseg.stages.preprocess import (
    find_preprocessed,
    load_preprocessed,
    merge_preprocessed,
    preprocess,
    preprocess_part,
)
from medseg.storage import open_store
from medseg.types import Case, Geometry

CASES = 12
OBLIQUE = np.array([[1.4, -0.3, 0.1, 7], [0.3, 1.4, -0.6, -5], [0.0, 0.4, 2.9, 3], [0, 0, 0, 1.0]])


def organ(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright organ in a head that zeros surround; sizes differ from case to case."""
    shape = (24 + number % 3, 26, 14)
    rng = np.random.default_rng(number)
    image, reference = np.zeros(shape, np.int16), np.zeros(shape, np.uint8)
    image[4:-4, 5:-5, 1:-1] = rng.normal(100, 10, (shape[0] - 8, 16, 12))
    reference[8:15, 9:17, 4:10] = 1
    image[reference > 0] += 200
    return image, reference


def write_dataset(root: Path, task: Any = "segmentation", modality: Any = "mr") -> str:
    store = open_store(str(root / "datasets/toy/v1"))
    cases = []
    for number in range(CASES):
        image, reference = organ(number)
        grid = Geometry(image.shape, OBLIQUE)
        cases.append(Case(f"c{number}", f"p{number}", "", grid.shape, grid.spacing_mm))
        store.put_bytes(image_key(f"c{number}", 0), nifti_bytes(image, OBLIQUE))
        store.put_bytes(reference_key(f"c{number}"), nifti_bytes(reference, OBLIQUE))
    dataset = Dataset(
        channel_names={"0": "MRI"}, labels={"background": 0, "organ": 1}, numTraining=CASES, name="toy", version="v1",
        modality=modality, task=task, dimensions=3, layout="pairs",
    )  # fmt: skip
    store.put_bytes(CASES_FILE, write_cases(cases))
    store.put_bytes(DATASET_FILE, dataset.to_bytes())
    return store.uri


def recipe(workers: int = 1, **settings: Any) -> Recipe:
    return Recipe(name="toy", workers=workers, dataset={"name": "toy"}, **settings)


def files(uri: str) -> dict[str, bytes]:
    store = open_store(uri)
    return {item.key: store.get_bytes(item.key) for item in store.list()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """URIs of a data set and of its arrays."""
    dataset = write_dataset(tmp_path_factory.mktemp("whole"))
    return dataset, preprocess(recipe(), dataset)


def test_arrays_lie_on_the_plan_grid_and_the_plan_names_its_steps(finished: tuple[str, str]) -> None:
    plan, splits = load_preprocessed(finished[1])
    assert [step.name for step in plan.steps] == ["orient", "crop", "normalize", "resample"]
    arrays = CaseArrays(Path(finished[1]), "c1")
    assert arrays.native.box_shape == (17, 16, 12)
    assert arrays.image.shape == (1, *arrays.reference.shape)
    assert len(splits.test) + len(splits.folds[0].train) + len(splits.folds[0].validation) == CASES
    assert find_preprocessed(recipe(), finished[0]) == finished[1]


def test_nothing_but_the_result_is_left_in_the_store(finished: tuple[str, str]) -> None:
    arrays = {f"arrays/{part}c{number}.b2nd" for number in range(CASES) for part in ("", "references/")}
    assert set(files(finished[1])) == arrays | {PLAN_FILE, "splits.json", CASES_FILE}


def test_a_prediction_lies_on_the_oblique_grid_of_the_scan(finished: tuple[str, str], tmp_path: Path) -> None:
    arrays = CaseArrays(Path(finished[1]), "c2")
    assert arrays.reference.shape == arrays.native.box_shape, "the plan keeps the voxels of these scans"
    scan = read_nifti(Path(finished[0]) / image_key("c2", 0))
    write_nifti(tmp_path / "c2.nii.gz", arrays.native.put_back(arrays.reference[:]), scan.affine)
    prediction = read_nifti(tmp_path / "c2.nii.gz")
    assert prediction.geometry.shape == scan.geometry.shape
    np.testing.assert_array_equal(prediction.affine, scan.affine)
    np.testing.assert_array_equal(prediction.array[0], organ(2)[1])


@pytest.mark.parametrize("modality", ["mr", "ct"])
def test_parts_and_processes_give_the_same_bytes_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modality: str
) -> None:
    dataset = write_dataset(tmp_path, modality=modality)
    uri = preprocess(recipe(), dataset)
    whole = files(uri)
    shutil.rmtree(uri)
    monkeypatch.setattr(pool, "TASKS_PER_WORKER", 1)
    for index in (3, 1, 2):
        preprocess_part(recipe(workers=2 if index == 3 else 1), dataset, Part(index, 3))
    assert files(merge_preprocessed(recipe(), dataset)) == whole


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path)
    preprocess_part(recipe(), dataset, Part(1, 2))
    owned = sum(Part(1, 2).owns(f"c{number}") for number in range(CASES))
    with pytest.raises(StageError, match=f"arrays of {CASES - owned} of {CASES} cases are not made yet.*--shard i/n"):
        merge_preprocessed(recipe(), dataset)
    with pytest.raises(StageError, match="no finished preprocessing"):
        find_preprocessed(recipe(), dataset)


def test_after_a_stop_only_what_is_missing_is_made(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path)
    uri = preprocess(recipe(), dataset)
    before = files(uri)
    done = Path(uri) / "arrays" / "c0.b2nd"
    made_at = done.stat().st_mtime_ns
    (Path(uri) / PLAN_FILE).unlink()
    (Path(uri) / "arrays" / "references" / "c5.b2nd").unlink()
    (Path(uri) / "arrays" / "c5.b2nd").write_bytes(b"stopped before its reference was written")
    preprocess(recipe(), dataset)
    assert files(uri) == before
    assert done.stat().st_mtime_ns == made_at


def test_test_cases_do_not_shape_the_plan(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, modality="ct")
    plan, splits = load_preprocessed(preprocess(recipe(), dataset))
    image, reference = organ(int(splits.test[0][1:]))
    image[reference > 0] = 3000
    open_store(dataset).put_bytes(image_key(splits.test[0], 0), nifti_bytes(image, OBLIQUE))
    other, _ = load_preprocessed(preprocess(recipe(preprocess={"patch_3d": (8, 8, 8)}), dataset))
    assert other.normalization == plan.normalization


@pytest.mark.parametrize("task", ["classification", "prediction"])
def test_a_data_set_without_references_is_refused_with_what_it_is_good_for(tmp_path: Path, task: str) -> None:
    with pytest.raises(StageError, match=rf"data set for {task}: .*It is good for"):
        preprocess(recipe(), write_dataset(tmp_path, task=task))


def test_a_damaged_volume_of_the_data_set_is_named(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path)
    (Path(dataset) / image_key("c7", 0)).write_bytes(b"")
    with pytest.raises(DataError, match=r"images/c7_0000\.nii\.gz: empty-file"):
        preprocess(recipe(), dataset)
