"""Downloaded archives become folders: whole or not at all, and never a file outside of them."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import PIL.Image

from medseg.errors import DataError
from medseg.fetch import check_space

ArchiveKind = Literal["tar", "zip", "npz"]
SPLITS = ("train", "val", "test")
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, ValueError, KeyError, EOFError)


def unpack(archive: Path, kind: ArchiveKind, folder: Path) -> None:
    """Unpack into a new folder, which is there only once it is complete.

    Raises:
        DataError: the archive is damaged, or would write outside of its folder.
        StorageFullError: it does not fit onto the disk.
    """
    scratch = folder.with_name(f"{folder.name}.unpacking")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        _UNPACKERS[kind](archive, scratch)
    except _DAMAGED as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise DataError(f"{archive}: cannot be unpacked: {error}") from error
    inside = list(scratch.iterdir())
    (inside[0] if len(inside) == 1 and inside[0].is_dir() else scratch).rename(folder)
    shutil.rmtree(scratch, ignore_errors=True)


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        check_space(folder, sum(member.size for member in tar))
        tar.extractall(folder, filter="data")


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        for info in content.infolist():
            if not (folder / info.filename).resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"{info.filename!r} lies outside of the archive's folder")
        check_space(folder, sum(info.file_size for info in content.infolist()))
        content.extractall(folder)


def _arrays_to_pictures(archive: Path, folder: Path) -> None:
    """Arrays of MedSegBench, (N, rows, columns[, 3]) and (N, rows, columns), become pairs of PNG in a folder per split.

    Source: https://github.com/zekikus/MedSegBench, ``medsegbench/dataset.py``.
    """
    check_space(folder, 2 * archive.stat().st_size)
    with np.load(archive, allow_pickle=False) as arrays:
        for split in SPLITS:
            for kind, key in (("images", f"{split}_images"), ("masks", f"{split}_label")):
                into = folder / split / kind
                into.mkdir(parents=True)
                for number, picture in enumerate(arrays[key]):
                    PIL.Image.fromarray(np.ascontiguousarray(picture.squeeze())).save(
                        into / f"{split}_{number:05d}.png"
                    )


_UNPACKERS: dict[ArchiveKind, Callable[[Path, Path], None]] = {
    "tar": _untar,
    "zip": _unzip,
    "npz": _arrays_to_pictures,
}
