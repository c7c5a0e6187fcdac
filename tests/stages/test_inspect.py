"""`inspect` as people call it: a page beside the data set, from a folder and from S3."""

import nibabel
import numpy as np
import pytest

from medseg.artifacts import INSPECT_FILE
from medseg.config import StoreConfig
from medseg.errors import StageError
from medseg.reporting.inspection.survey import survey
from medseg.stages.inspect import inspect, page_of
from medseg.storage import open_store, session
from tests.reporting.datasets import ScratchDataset, marked, noise


def small_set(folder):
    made = ScratchDataset(folder)
    for seed in range(3):
        made.add(f"c{seed}", noise(seed), reference=marked(liver=10 * (seed + 1)))
    made.close()
    return made


def test_the_page_lies_beside_the_data_set(tmp_path):
    made = small_set(tmp_path)
    assert inspect(made.uri) == f"{made.uri}/inspect.html"
    assert "3 cases of 3 patients" in (made.folder / INSPECT_FILE).read_text()


def test_the_page_is_made_only_if_it_is_not_there(tmp_path):
    made = small_set(tmp_path)
    assert page_of(made.uri).startswith(b"<!DOCTYPE html>")
    (made.folder / INSPECT_FILE).write_bytes(b"made before")
    assert page_of(made.uri) == b"made before"


def test_an_unfinished_data_set_is_refused_with_the_next_step(tmp_path):
    with pytest.raises(StageError, match="holds no finished data set.*medseg ingest"):
        inspect(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_in_s3_is_inspected_without_keeping_its_scans(tmp_path, monkeypatch):
    made = small_set(tmp_path / "local")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with session(StoreConfig(embedded_folder=tmp_path / "s3")) as bucket_uri:
        uri = f"{bucket_uri}/datasets/organs/v1"
        open_store(uri).put_folder(made.folder, marker="dataset.json")
        assert inspect(uri) == f"{uri}/inspect.html"
        assert b"3 cases of 3 patients" in page_of(uri)
    assert list(scratch.iterdir()) == []


def test_150_crops_of_different_patients_raise_no_alarm(tmp_path, shared_data):
    made = ScratchDataset(tmp_path, labels={"background": 0, "anterior": 1, "posterior": 2})
    for path in sorted((shared_data / "hippocampus_mri" / "images").iterdir()):
        name = path.name.removesuffix(".nii.gz")
        image = nibabel.load(path)
        reference = nibabel.load(shared_data / "hippocampus_mri" / "labels" / path.name)
        labels = np.asanyarray(reference.dataobj).astype(np.uint8)
        spacing_mm = tuple(float(mm) for mm in image.header.get_zooms())
        made.add(name, np.asanyarray(image.dataobj), reference=labels, spacing_mm=spacing_mm)
    found = survey(made.close())
    assert found.read == 150
    assert found.suspects.copies == ()
    assert len(page_of(made.uri)) < 3e6
