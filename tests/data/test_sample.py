"""The synthetic cohort: equal each time, fictional, and read back exactly through the hospital path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medseg.data.labels import encode
from medseg.data.phantom import ORGANS, make_torso
from medseg.data.sample import PROTOCOLS, write_sample
from medseg.errors import DataError
from tests.data.dicom.scenes import listed


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, patients=2)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.dcm")}


def test_two_calls_write_equal_files_and_another_seed_others(sample: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "again", patients=2)
    assert contents(tmp_path / "again") == contents(sample)
    write_sample(tmp_path / "again", patients=2, seed=1)
    assert not set(contents(tmp_path / "again").values()) & set(contents(sample).values())


def test_a_finished_sample_is_left_alone_and_a_damaged_one_repaired(sample: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in sample.rglob("*.dcm")}
    write_sample(sample, patients=2)
    assert before == {path: path.stat().st_mtime_ns for path in sample.rglob("*.dcm")}
    (sample / "patient-02/ct/slice-003.dcm").unlink()
    write_sample(sample, patients=2)
    assert set(before) == set(sample.rglob("*.dcm"))


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(DataError, match=r"thesis\.doc"):
        write_sample(tmp_path, patients=1)


def test_both_protocols_come_back_voxel_by_voxel(sample: Path, tmp_path: Path) -> None:
    found = listed(sample, tmp_path)
    assert (found.listing.modality, found.listing.task, found.rejected) == ("ct", "segmentation", {})
    assert found.listing.classes == {name: number for number, name in enumerate(ORGANS, start=1)}
    truths = [make_torso(np.random.default_rng([0, number]), *PROTOCOLS[number % 2]) for number in (1, 2)]
    for case in found.cases:
        image = found.load(case).image
        number = int(case.images[0].split("/")[0].removeprefix("patient-"))
        truth, (_, spacing_mm) = truths[number - 1], PROTOCOLS[number % 2]
        assert np.array_equal(image.array[0], truth.hounsfield[::-1, ::-1])  # LPS to RAS
        assert np.allclose(image.geometry.spacing_mm, spacing_mm)
        encoded, _ = encode(found.draw(case), found.listing.classes)
        assert np.array_equal(encoded, truth.organs[::-1, ::-1])
        assert set(np.unique(encoded)) == {0, 1, 2, 3}


def test_organs_overlap_in_density(sample: Path) -> None:
    torso = make_torso(np.random.default_rng([0, 1]), *PROTOCOLS[1])
    liver, spleen = (torso.hounsfield[torso.organs == value] for value in (1, 2))
    assert np.percentile(liver, 75) > np.percentile(spleen, 25)
