"""No identity that was planted in any kind of file is left in any byte of the store."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pydicom
import pytest
from PIL.PngImagePlugin import PngInfo

from medseg.config import DatasetConfig, Recipe
from medseg.data.cases import read_cases
from medseg.stages.ingest import ingest
from medseg.stages.inspect import inspect
from tests.data.scenes import AFFINE, reference, series_datasets, volume, write_picture, write_series

PLANTED = ("Müller", "Mueller", "MRN-0099123", "19610203", "ALT-778", "A-55120", "555-0100")


def ingested(source: Path, store: Path, **settings: object) -> str:
    config = DatasetConfig.model_validate({"name": "scans", "source": str(source), **settings})
    return ingest(Recipe(name="test", dataset=config, workers=1), str(store))


def everything(store: Path) -> Iterator[tuple[str, bytes]]:
    """Name and plain bytes of every file, with names and bytes of tables unpacked."""
    for path in sorted(path for path in store.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)[:352]  # voxels are numbers
        if path.name == "cases.parquet":
            data += repr(read_cases(data)).encode()
        yield str(path.relative_to(store)), data + str(path.relative_to(store)).encode()


def left(store: Path, identities: tuple[str, ...]) -> list[tuple[str, str]]:
    return [
        (name, identity)
        for name, data in everything(store)
        for identity in identities
        for encoding in ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
        if identity.encode(encoding, "ignore") in data
    ]


@pytest.fixture
def planted(shared_data: Path, tmp_path: Path) -> Path:
    """A whole series whose first slice carries the planted identity, in a folder of the patient's name."""
    source = tmp_path / "source"
    series = source / "Müller" / "MRN-0099123"
    shutil.copytree(shared_data / "dicom_phi_named/PGBM-002/13_HCropVolume", series)
    shutil.copyfile(shared_data / "odd/dicom/phi_planted.dcm", series / "1.dcm")
    return source


def test_the_planted_identity_is_gone_and_the_images_are_kept(planted: Path, tmp_path: Path) -> None:
    for path in planted.rglob("*.dcm"):  # one patient: slices of two are refused
        dataset = pydicom.dcmread(path)
        dataset.PatientID, dataset.PatientName = "MRN-0099123", "Müller^Hans"
        dataset.PatientBirthDate = "19610203"
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.save_as(path)
    uri = ingested(planted, tmp_path / "store")
    inspect(uri)
    assert len(read_cases((Path(uri) / "cases.parquet").read_bytes())) == 1
    assert left(tmp_path / "store", PLANTED) == []


def test_an_identity_in_a_refused_file_and_its_path_is_gone_too(planted: Path, tmp_path: Path) -> None:
    good = planted / "good"
    shutil.copytree(planted / "Müller/MRN-0099123", good)
    (good / "1.dcm").unlink()
    for path in good.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID += ".9"
        dataset.SOPInstanceUID += ".9"
        dataset.save_as(path)
    uri = ingested(planted, tmp_path / "store")
    assert "[removed]" in (Path(uri) / "rejected.csv").read_text()
    assert left(tmp_path / "store", PLANTED) == []


def test_a_second_ingest_of_a_grown_archive_still_knows_whom_it_must_not_name(planted: Path, tmp_path: Path) -> None:
    for path in planted.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PatientID, dataset.PatientName, dataset.SpecificCharacterSet = (
            "MRN-0099123",
            "Müller^Hans",
            "ISO_IR 100",
        )
        dataset.save_as(path)
    ingested(planted, tmp_path / "store")
    (planted / "Müller" / "note.txt").write_text("of Müller")
    uri = ingested(planted, tmp_path / "store")
    assert "[removed]/note.txt" in (Path(uri) / "rejected.csv").read_text()
    assert left(tmp_path / "store", PLANTED) == []


def test_a_contour_named_after_the_patient_is_refused_and_its_name_forgotten(tmp_path: Path) -> None:
    from tests.data.dicom.scenes import save, square, structures

    for folder, name in (("a", "Liver"), ("b", "GTV Mueller")):
        sources = series_datasets()
        for dataset in sources:
            dataset.PatientID, dataset.PatientName = f"MRN-{folder}-99123", "Mueller^Hans"
            dataset.SeriesInstanceUID += f".{ord(folder)}"
            dataset.StudyInstanceUID = dataset.FrameOfReferenceUID
        write_series(tmp_path / "source" / folder, sources)
        save(structures(sources, {name: [square(11, 14, 5)]}), tmp_path / "source" / folder / "rt.dcm")
    uri = ingested(tmp_path / "source", tmp_path / "store")
    codes = (Path(uri) / "rejected.csv").read_text()
    assert "b/rt.dcm,identifying-class" in codes
    assert left(tmp_path / "store", ("Mueller", "mueller")) == []


def test_under_a_key_no_name_of_any_file_is_left(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for kind, array in (("images", volume()), ("labels", reference(1))):
        (source / kind).mkdir(parents=True)
        nibabel.save(nibabel.Nifti1Image(array, AFFINE), source / kind / "Müller_Jörg.nii.gz")
    nibabel.save(nibabel.Nifti1Image(volume(), AFFINE), source / "images/Alleingang_Otto.nii.gz")
    (source / "Brief_Karl.pdf").touch()
    (tmp_path / "key").write_text("k" * 32)
    uri = ingested(source, tmp_path / "store", deidentify={"key": f"file:{tmp_path}/key"})
    inspect(uri)
    assert ".pdf,not-part-of-layout" in (Path(uri) / "rejected.csv").read_text()
    assert left(tmp_path / "store", ("Müller", "Jörg", "Otto", "Karl", "M_ller")) == []


def test_named_patients_are_pseudonyms_under_the_key(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "dicom_phi_named"
    header = pydicom.dcmread(next((source / "PGBM-002/13_HCropVolume").iterdir()))
    names = tuple({str(header.PatientName), header.PatientID, *str(header.PatientName).split("^")} - {""})
    keys = []
    for number in (1, 2):
        (tmp_path / f"{number}.key").write_text(f"{number}" * 32)
        uri = ingested(source, tmp_path / "store", deidentify={"key": f"file:{tmp_path}/{number}.key"})
        keys.append({case.patient for case in read_cases((Path(uri) / "cases.parquet").read_bytes())})
    assert keys[0].isdisjoint(keys[1])
    assert left(tmp_path / "store", names) == []


def test_header_texts_of_volumes_and_pictures_are_gone(tmp_path: Path) -> None:
    source, secret = tmp_path / "source", "Hans Mueller"
    image = nibabel.Nifti1Image(volume(), AFFINE)
    image.header["descrip"], image.header["aux_file"], image.header["db_name"] = secret, "MRN-0099123", "A-55120"
    image.header["intent_name"] = "555-0100"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", secret.encode()))
    (source / "images").mkdir(parents=True)
    nibabel.save(image, source / "images/a.nii.gz")
    (source / "labels").mkdir()
    nibabel.save(nibabel.Nifti1Image(reference(1), AFFINE), source / "labels/a.nii.gz")
    uri = ingested(source, tmp_path / "store")
    assert left(tmp_path / "store", (secret, "Mueller", *PLANTED)) == []
    assert '"NIfTI descrip": "removed"' in (Path(uri) / "audit.jsonl").read_text()


def test_texts_in_pictures_are_gone(tmp_path: Path) -> None:
    source, secret = tmp_path / "source", "Hans Mueller"
    notes = PngInfo()
    notes.add_text("Patient", secret)
    notes.add_itxt("Comment", "Müller MRN-0099123")
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    write_picture(source / "a.png", pixels, pnginfo=notes)
    exif = PIL.Image.Exif()
    exif[0x010E] = secret
    write_picture(source / "b.jpg", pixels, exif=exif, comment=b"MRN-0099123")
    ingested(source, tmp_path / "store", layout="unlabelled")
    assert left(tmp_path / "store", (secret, *PLANTED)) == []


def test_names_of_files_become_pseudonyms_where_the_recipe_names_a_key(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for kind, array in (("images", volume()), ("labels", reference(1))):
        (source / kind).mkdir(parents=True)
        nibabel.save(nibabel.Nifti1Image(array, AFFINE), source / kind / "Mueller_Hans.nii.gz")
    (tmp_path / "key").write_text("k" * 32)
    uri = ingested(source, tmp_path / "store", deidentify={"key": f"file:{tmp_path}/key"})
    assert left(Path(uri), ("Mueller", "Hans")) == []
