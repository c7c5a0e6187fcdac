"""The catalog of an archive: read once, kept without identity, and brought up to date by what is new only."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from medseg.data.deidentification.pseudonyms import Pseudonyms
from medseg.data.dicom.catalog import Catalog, packed, unpacked
from medseg.data.dicom.clerk import Clerk
from medseg.data.dicom.index import index_files
from medseg.data.dicom.records import Record
from medseg.data.source import Source
from tests.data.dicom.scenes import KEY, enhanced, listed, reading, save, square, structures
from tests.data.scenes import series_datasets, slice_dataset, write_series


class CountingSource(Source):
    """Notes which files are opened."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.opened: list[str] = []

    def open(self, name):  # type: ignore[no-untyped-def]
        self.opened.append(name)
        return super().open(name)


def index(root: Path, scratch: Path) -> list[str]:
    """Names of the files that were read."""
    source, found = CountingSource(root), reading(scratch)
    catalog = Catalog(found.catalog, scratch / "names.sqlite")
    index_files(source, catalog, found.pseudonyms, found.identities, 1)
    catalog.database.close()
    return source.opened


def test_a_second_run_reads_only_what_is_new_or_changed(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", series_datasets())
    assert len(index(tmp_path / "in", tmp_path / "scratch")) == 4
    assert index(tmp_path / "in", tmp_path / "scratch") == []
    save(slice_dataset(4, series_datasets(1)[0].pixel_array), tmp_path / "in/new.dcm")
    os.utime(paths[1], (time.time() + 5, time.time() + 5))
    assert sorted(index(tmp_path / "in", tmp_path / "scratch")) == ["1.dcm", "new.dcm"]


def test_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", series_datasets())
    assert len(listed(tmp_path / "in", tmp_path / "scratch").case.images) == 4
    paths[3].unlink()
    assert len(listed(tmp_path / "in", tmp_path / "scratch").case.images) == 3
    with sqlite3.connect(tmp_path / "scratch/catalog.sqlite") as kept:
        assert kept.execute("SELECT count(*) FROM file").fetchone() == (3,)


def test_what_is_kept_holds_no_identity(tmp_path: Path) -> None:
    dataset = series_datasets(1)[0]
    dataset.PatientBirthDate, dataset.StudyInstanceUID, dataset.AcquisitionTime = "19610203", "1.2.34567", "101112.5"
    save(dataset, tmp_path / "in/Doe Jane/a.dcm")
    save(structures([dataset], {"GTV": [square(0, 3, 0)]}), tmp_path / "in/Doe Jane/rt.dcm")
    (tmp_path / "in/Doe Jane/Doe.dcm").write_bytes(b"Jane Doe MRN-1")
    found = listed(tmp_path / "in", tmp_path / "scratch")
    assert found.case.patient.startswith("patient-")
    data = (tmp_path / "scratch/catalog.sqlite").read_bytes()
    secrets = ["Doe", "Jane", "MRN-1", "19610203", "101112", "1.2.34567", dataset.SeriesInstanceUID]
    assert not [secret for secret in secrets if secret.encode() in data]


def test_every_identifying_string_is_handed_on(tmp_path: Path) -> None:
    datasets = series_datasets()
    datasets[2].PatientName = "Roe^Mary"
    write_series(tmp_path / "in", datasets)
    found = reading(tmp_path / "scratch")
    catalog = Catalog(found.catalog, tmp_path / "scratch/names.sqlite")
    index_files(Source(tmp_path / "in"), catalog, found.pseudonyms, found.identities, 1)
    assert found.identities.redact("Doe/Roe/MRN-1/ct") == "[removed]/[removed]/[removed]/ct"


def test_names_are_the_same_in_a_grown_archive(tmp_path: Path) -> None:
    write_series(tmp_path / "in/b", series_datasets())
    before = listed(tmp_path / "in", tmp_path / "scratch").case
    write_series(tmp_path / "in/a", [slice_dataset(k, series_datasets(1)[0].pixel_array, "other") for k in range(3)])
    after = listed(tmp_path / "in", tmp_path / "scratch").cases
    assert before in after
    assert len(after) == 2
    assert {case.patient for case in after} == {before.patient}


@pytest.mark.parametrize("damage", [b"no database at all", b""])
def test_a_damaged_catalog_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    write_series(tmp_path / "in", series_datasets())
    expected = listed(tmp_path / "in", tmp_path / "scratch").case
    (tmp_path / "scratch/catalog.sqlite").write_bytes(damage)
    assert listed(tmp_path / "in", tmp_path / "scratch").case == expected


def test_a_catalog_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    write_series(tmp_path / "in", series_datasets())
    listed(tmp_path / "in", tmp_path / "scratch")
    with sqlite3.connect(tmp_path / "scratch/catalog.sqlite") as kept:
        kept.execute("UPDATE file SET kind = 'picture'")
        kept.execute("PRAGMA user_version = 99")
    assert len(listed(tmp_path / "in", tmp_path / "scratch").case.images) == 4


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    sources = series_datasets()
    save(enhanced(), tmp_path / "frames.dcm")
    save(structures(sources, {"GTV": [square(0, 3, 0)]}), tmp_path / "rt.dcm")
    write_series(tmp_path / "ct", sources)
    (tmp_path / "text").write_text("no scan")
    source = Source(tmp_path)
    clerk = Clerk(source, Pseudonyms(KEY))
    for entry in source.entries():
        record = clerk.record(entry.name, entry.size)
        assert unpacked(list(packed(record))) == record


def records(source: Source, together: bool) -> list[Record]:
    clerk, found = Clerk(source, Pseudonyms(KEY)), []
    for entry in source.entries():
        found.append(clerk.record(entry.name, entry.size))
        clerk = clerk if together else Clerk(source, Pseudonyms(KEY))
    return found


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientID", "MRN-2"),
        ("ImageType", ["DERIVED"]),
        ("EchoTime", 7),
        ("ImageOrientationPatient", [0, 1, 0, 1, 0, 0]),
        ("PixelSpacing", [1, 1]),
        ("SliceThickness", 1),
        ("BurnedInAnnotation", "YES"),
        ("AcquisitionNumber", 2),
        ("Rows", 3),
        ("Modality", "MR"),
        ("FrameOfReferenceUID", "1.2"),
        ("ImagePositionPatient", [1, 2]),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.4"),
        ("PatientID", None),
    ],
)
def test_a_record_does_not_depend_on_the_file_before(tmp_path: Path, keyword: str, value: object) -> None:
    datasets = series_datasets()
    if value is None:
        delattr(datasets[2], keyword)
    else:
        setattr(datasets[2], keyword, value)
    write_series(tmp_path, datasets)
    assert records(Source(tmp_path), True) == records(Source(tmp_path), False)


def test_records_of_real_files_do_not_depend_on_the_file_before(shared_data: Path) -> None:
    source = Source(shared_data / "odd/dicom")
    assert records(source, True) == records(source, False)


def test_several_processes_find_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medseg.data.dicom.index.FILES_PER_WORKER", 1)
    monkeypatch.setattr("medseg.data.dicom.index.CHUNK", 3)
    write_series(tmp_path / "in", series_datasets(8))
    assert listed(tmp_path / "in", tmp_path / "two", workers=2).cases == listed(tmp_path / "in", tmp_path / "one").cases
