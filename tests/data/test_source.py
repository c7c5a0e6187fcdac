"""A folder of scans, listed without holding all of its names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medseg.data.source import GLIMPSE_PER_FOLDER, Source
from medseg.errors import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_files_of_every_depth_are_listed_once_in_a_fixed_order(tmp_path: Path) -> None:
    touch(tmp_path, "b/2", "b/1", "a", "b/c/3")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert list(Source(tmp_path).names()) == ["a", "b/1", "b/2", "b/c/3"]


def test_what_is_no_file_is_listed_apart(tmp_path: Path) -> None:
    touch(tmp_path, "scan")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    source = Source(tmp_path)
    assert list(source.names()) == ["scan"]
    assert {entry.name for entry in source.entries() if not entry.regular} == {"pipe", "broken"}


def test_a_glimpse_shows_every_folder_however_full_the_first_is(tmp_path: Path) -> None:
    touch(tmp_path, *(f"images/{number}" for number in range(GLIMPSE_PER_FOLDER + 50)), "labels/1")
    glimpse = Source(tmp_path).glimpse
    assert len(glimpse) == GLIMPSE_PER_FOLDER + 1
    assert "labels/1" in glimpse


def test_the_fingerprint_changes_with_every_file(tmp_path: Path) -> None:
    touch(tmp_path, "a", "b")
    source = Source(tmp_path)
    first = source.fingerprint("")
    assert source.fingerprint("") == first != source.fingerprint("other settings")
    (tmp_path / "b").write_bytes(b"longer")
    second = source.fingerprint("")
    (tmp_path / "b").rename(tmp_path / "c")
    assert len({first, second, source.fingerprint("")}) == 3


@pytest.mark.parametrize(
    ("make", "says"), [("none", "no such folder"), ("file", "is not a folder"), ("empty", "holds no file")]
)
def test_a_source_without_scans_says_so(make: str, says: str, tmp_path: Path) -> None:
    root = tmp_path / "source"
    if make == "file":
        root.touch()
    if make == "empty":
        (root / "sub").mkdir(parents=True)
    with pytest.raises(DataError, match=says):
        Source(root)
