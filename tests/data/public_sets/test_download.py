"""Public data sets come over HTTP: checked, unpacked, and ready to be ingested."""

from __future__ import annotations

import ast
import hashlib
import io
import logging
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest

from medseg.data.public_sets.download import PublicSet, describe_sets, download, public_sets
from medseg.data.public_sets.unpack import unpack
from medseg.errors import DataError, RecipeError
from tests.data.layouts.reading import Listed
from tests.data.scenes import reference, volume, write_picture, write_volume
from tests.serving import Server

Offer = Callable[..., PublicSet]


@pytest.fixture
def offer(server: Server, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Puts a data set under the name ``offered`` on the server."""

    def offered(content: bytes, kind: str, digest: str | None = None) -> PublicSet:
        server.files["archive"] = content
        entry = PublicSet(url=server.url("archive"), kind=kind, description="", hash_name="md5", hash=digest)
        monkeypatch.setitem(public_sets(), "offered", entry)
        return entry

    return offered


def decathlon_tar(folder: Path) -> bytes:
    """A task of the Decathlon with one case."""
    write_volume(folder / "imagesTr/a_1.nii.gz", volume())
    write_volume(folder / "labelsTr/a_1.nii.gz", reference(1))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add(folder, arcname="Task99_Test")
    return stream.getvalue()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_a_data_set_is_fetched_checked_unpacked_and_recognised(server: Server, offer: Offer, tmp_path: Path) -> None:
    content = decathlon_tar(tmp_path / "made")
    offer(content, "tar", md5(content))
    folder = download("offered", tmp_path / "data")
    assert folder == tmp_path / "data/offered"
    assert (Listed(folder).layout.name, Listed(folder).names) == ("decathlon", ["a_1"])
    assert not list((tmp_path / "data").glob("offered.*"))
    server.asked.clear()
    assert download("offered", tmp_path / "data") == folder
    assert not server.asked


def test_a_wrong_hash_is_refused_and_the_file_goes(offer: Offer, tmp_path: Path) -> None:
    offer(decathlon_tar(tmp_path / "made"), "tar", "0" * 32)
    with pytest.raises(DataError, match="must be 0000"):
        download("offered", tmp_path / "data")
    assert not list((tmp_path / "data").iterdir())


def test_without_a_known_hash_that_of_the_first_download_holds(
    offer: Offer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = decathlon_tar(tmp_path / "made")
    offer(content, "tar")
    with caplog.at_level(logging.WARNING):
        folder = download("offered", tmp_path / "data")
    assert "nobody publishes a hash" in caplog.text
    assert (tmp_path / "data/offered.sha256").read_text().startswith(hashlib.sha256(content).hexdigest())
    folder.rename(tmp_path / "elsewhere")
    offer(content + bytes(512), "tar")
    with pytest.raises(DataError, match="sha256 is"):
        download("offered", tmp_path / "data")


def test_arrays_of_medsegbench_become_pairs_in_their_splits(offer: Offer, tmp_path: Path) -> None:
    stream = io.BytesIO()
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    masks = np.zeros((2, 4, 5), np.uint8)
    masks[:, 0, 0] = 1
    arrays = {
        f"{split}_{kind}": array
        for split in ("train", "val", "test")
        for kind, array in (("images", images), ("label", masks))
    }
    np.savez_compressed(stream, **arrays)
    offer(stream.getvalue(), "npz", md5(stream.getvalue()))
    found = Listed(download("offered", tmp_path / "data"))
    assert found.layout.name == "split-pairs"
    assert sorted((case.case, case.split) for case in found.cases)[2:4] == [
        ("train_00000", "train"),
        ("train_00001", "train"),
    ]
    assert found.listing.count == 6
    assert found.reference().image.array.sum() == 1


def test_the_folders_of_montgomery_are_recognised(offer: Offer, tmp_path: Path) -> None:
    stream = io.BytesIO()
    picture = write_picture(tmp_path / "a.png", np.zeros((4, 4), np.uint8)).read_bytes()
    with zipfile.ZipFile(stream, "w") as content:
        for folder in ("CXR_png", "ManualMask/leftMask", "ManualMask/rightMask"):
            content.writestr(f"MontgomerySet/{folder}/MCUCXR_0001_0.png", picture)
            content.writestr(f"__MACOSX/MontgomerySet/{folder}/._MCUCXR_0001_0.png", b"fork")
    offer(stream.getvalue(), "zip", md5(stream.getvalue()))
    found = Listed(download("offered", tmp_path / "data"))
    assert (found.layout.name, found.names) == ("left-right-lungs", ["MCUCXR_0001_0"])


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside-of-medseg"])
def test_no_archive_writes_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as content:
        content.writestr(name, "x")
    for kind in ("tar", "zip"):
        with suppress(DataError):
            unpack(tmp_path / f"a.{kind}", kind, tmp_path / "deep/into")
        assert not (tmp_path / "deep/outside").exists()
        assert not Path("/tmp/outside-of-medseg").exists()


def test_a_damaged_archive_leaves_no_folder(tmp_path: Path) -> None:
    for kind in ("tar", "zip", "npz"):
        (tmp_path / f"a.{kind}").write_bytes(b"rubbish")
        with pytest.raises(DataError, match="cannot be unpacked"):
            unpack(tmp_path / f"a.{kind}", kind, tmp_path / "into")
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar", "a.zip", "a.npz"}


def test_an_unknown_name_is_told_what_is_near(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="msd-task04-hippocampus"):
        download("hippocampus", tmp_path)


def test_tasks_of_the_decathlon_are_those_of_monai() -> None:
    """Read from the text of MONAI's module: importing it takes seconds."""
    module = next(path for path in distribution("monai").files or () if str(path) == "monai/apps/datasets.py")
    tree = ast.parse(module.read_text())
    table = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "DecathlonDataset")
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in table.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    ours = {entry.url: entry.hash for name, entry in public_sets().items() if name.startswith("msd-")}
    assert ours == {url: values["md5"][task] for task, url in values["resource"].items()}


def test_every_known_set_has_an_official_address_and_a_hash() -> None:
    known = public_sets()
    assert {"montgomery", "msd-task04-hippocampus", "medsegbench-kvasir"} <= set(known)
    for name, entry in known.items():
        assert entry.url.startswith(("https://zenodo.org/", "https://openi.nlm.nih.gov/", "https://msd-for-monai"))
        assert entry.hash is None or len(entry.hash) == {"md5": 32, "sha256": 64}[entry.hash_name]
        assert f"  {name} " in describe_sets()
