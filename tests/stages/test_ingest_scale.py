"""An ingest goes on where it was stopped, reads only what is new, and gives the same data set in parts as in one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medseg.config import DatasetConfig, Recipe
from medseg.data.cases import read_cases
from medseg.data.sample import write_sample
from medseg.errors import NotFoundError, StageError
from medseg.stages.ingest import ingest, ingest_part, merge_parts
from medseg.stages.intake import recognised
from medseg.stages.parts import Part
from medseg.storage import open_store, session
from tests.data.scenes import reference, write_pair


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for number in range(6):
        write_pair(tmp_path / "source", f"case{number}", seed=number)
    for path in (tmp_path / "source").rglob("*.gz"):
        os.utime(path, (0, 0))  # with times that vary, which part a case belongs to would vary too
    return tmp_path / "source"


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "store")


def recipe(source: Path | str, **settings: object) -> Recipe:
    config = DatasetConfig.model_validate({"name": "scans", "source": str(source), **settings})
    return Recipe(name="test", dataset=config, workers=1)


def names(uri: str) -> list[str]:
    return [case.case for case in read_cases(open_store(uri).get_bytes("cases.parquet"))]


def content(uri: str) -> dict[str, bytes]:
    store = open_store(uri)
    return {item.key: store.get_bytes(item.key) for item in store.list()}


def make_unreadable(source: Path, *cases: str) -> None:
    """Keep size and time of change, so that only who reads the file again can tell."""
    for case in cases:
        path = source / f"images/{case}.nii.gz"
        stat = path.stat()
        path.write_bytes(b"x" * stat.st_size)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_parts_give_the_same_data_set_as_one_ingest(source: Path, store: str, tmp_path: Path) -> None:
    write_pair(source, "bad", reference(1)[:-1])
    whole = ingest(recipe(source), store)
    other = str(tmp_path / "other")
    for index in (3, 1, 2):
        ingest_part(recipe(source), other, Part(index, 3))
    merged = merge_parts(recipe(source), other)
    assert content(merged) == content(whole)
    assert not open_store(f"{other}/datasets/scans").list("parts/")


def test_several_processes_give_the_same_data_set(source: Path, store: str, tmp_path: Path) -> None:
    for number in range(6, 20):
        write_pair(source, f"case{number}", seed=number)
    several = recipe(source).model_copy(update={"workers": 2})
    assert content(ingest(several, store)) == content(ingest(recipe(source), str(tmp_path / "other")))


def test_a_missing_part_is_named_before_anything_is_merged(source: Path, store: str) -> None:
    ingest_part(recipe(source), store, Part(1, 2))
    with pytest.raises(StageError, match=r"\d of 6 cases are not read yet.*--shard i/n"):
        merge_parts(recipe(source), store)


def test_of_a_grown_archive_only_what_is_new_is_read(source: Path, store: str) -> None:
    first = ingest(recipe(source), store)
    write_pair(source, "new", seed=9)
    make_unreadable(source, *names(first))
    second = ingest(recipe(source), store)
    assert names(second) == sorted([*names(first), "new"])
    assert {key: content(second)[key] for key in content(first) if "/" in key} == {
        key: data for key, data in content(first).items() if "/" in key
    }


def test_what_arrives_while_an_ingest_reads_is_a_change_to_the_next(source: Path) -> None:
    config = recipe(source).dataset
    with recognised(config) as (found, _):
        begun = found.fingerprint
        write_pair(source, "late", seed=9)
        assert found.fingerprint == begun
    with recognised(config) as (found, _):
        assert found.fingerprint != begun


def test_what_was_refused_is_not_read_again_either_and_still_listed(source: Path, store: str) -> None:
    write_pair(source, "bad", reference(1)[:-1])
    first = ingest(recipe(source), store)
    make_unreadable(source, "bad")
    write_pair(source, "new", seed=9)
    second = ingest(recipe(source), store)
    assert b"labels/bad.nii.gz,shape-mismatch" in content(first)["rejected.csv"]
    assert b"labels/bad.nii.gz,shape-mismatch" in content(second)["rejected.csv"]


def test_cases_of_a_version_that_was_deleted_are_read_again(source: Path, store: str) -> None:
    first = ingest(recipe(source), store)
    before = content(first)
    shutil.rmtree(first)
    assert content(ingest(recipe(source), store)) == before


def test_what_is_gone_from_the_archive_is_gone_from_the_next_version(source: Path, store: str) -> None:
    first = ingest(recipe(source), store)
    (source / "images/case3.nii.gz").unlink()
    (source / "labels/case3.nii.gz").unlink()
    assert set(names(first)) - set(names(ingest(recipe(source), store))) == {"case3"}


def test_a_killed_ingest_goes_on_with_the_cases_that_it_had_not_read(source: Path, store: str) -> None:
    """The first part plays the ingest that was killed after its records were saved."""
    ingest_part(recipe(source), store, Part(1, 2))
    done = {key.split("/")[-1].removesuffix("_0000.nii.gz") for key in keys(store) if "/images/" in key}
    assert 0 < len(done) < 6
    make_unreadable(source, *done)
    assert len(names(ingest(recipe(source), store))) == 6


def keys(store: str) -> list[str]:
    return [item.key for item in open_store(store).list()]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_ingest_leaves_no_process_and_is_finished_by_the_next(source: Path, store: str, how: int) -> None:
    for number in range(6, 150):
        write_pair(source, f"case{number}", seed=number)
    command = [sys.executable, "-m", "medseg.cli", "ingest", "--workers", "2", "--set", f"store={store}"]
    command += ["--set", f"dataset.source={source}", "--set", "dataset.name=scans"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    while not any("parts/volumes" in key for key in keys(store)) and running.poll() is None:
        time.sleep(0.02)
    os.killpg(running.pid, how) if how == signal.SIGINT else running.send_signal(how)
    _, said = running.communicate(timeout=20)
    assert running.returncode in (130, -signal.SIGKILL), said
    assert len(names(ingest(recipe(source), store))) == 150


@pytest.fixture
def bucket(tmp_path: Path) -> str:
    from medseg.config import StoreConfig

    with session(StoreConfig(embedded_folder=tmp_path / "s3")) as uri:
        yield uri


def test_a_bucket_of_scans_gives_the_same_data_set_as_the_folder(source: Path, store: str, bucket: str) -> None:
    open_store(f"{bucket}/raw").put_folder(source)
    assert content(ingest(recipe(f"{bucket}/raw"), bucket)) == content(ingest(recipe(source), store))


def test_a_bucket_of_dicom_gives_the_same_data_set_as_the_folder(tmp_path: Path, store: str, bucket: str) -> None:
    write_sample(tmp_path / "archive", patients=2)
    open_store(f"{bucket}/raw").put_folder(tmp_path / "archive")
    assert len(names(ingest(recipe(f"{bucket}/raw"), bucket))) == 2
    assert content(ingest(recipe(f"{bucket}/raw"), bucket)) == content(ingest(recipe(tmp_path / "archive"), store))


def test_parts_of_other_settings_stay_until_they_are_merged(source: Path, store: str) -> None:
    other = recipe(source, modality="mr")
    ingest_part(other, store, Part(1, 2))
    ingest(recipe(source, modality="ct"), store)
    ingest_part(other, store, Part(2, 2))
    assert len(names(merge_parts(other, store))) == 6


def test_a_value_in_one_reference_of_many_is_told(source: Path, store: str) -> None:
    write_pair(source, "odd", reference(1, 7))
    assert b"value 7 occurs in one of 7 references" in content(ingest(recipe(source), store))["ingest.json"]


def test_names_that_become_one_are_kept_apart(tmp_path: Path, store: str) -> None:
    for number, name in enumerate(("Pat 1", "Pat_1", "Müller", "Möller", "山田")):
        write_pair(tmp_path / "source", name, seed=number)
    assert len(names(ingest(recipe(tmp_path / "source"), store))) == 5


def test_an_empty_prefix_is_named(bucket: str) -> None:
    from medseg.errors import DataError

    with pytest.raises((DataError, NotFoundError), match="holds no object"):
        ingest(recipe(f"{bucket}/nothing"), bucket)
