"""Public data sets: where they lie, what their files' hashes are, and how they become folders that ``ingest`` reads."""

from __future__ import annotations

import difflib
import logging
from functools import cache
from importlib.resources import files
from pathlib import Path

import yaml

from medseg.data.public_sets.unpack import ArchiveKind, unpack
from medseg.errors import RecipeError
from medseg.fetch import HashName, check_hash, fetch, file_hash
from medseg.section import Section
from medseg.validation import validate

log = logging.getLogger(__name__)

SETS_FILE = files("medseg.data.public_sets") / "sets.yaml"
DECATHLON = "msd-"
MEDSEGBENCH = "medsegbench-"


class PublicSet(Section):
    """A data set at its official address.

    Attributes:
        kind: of the archive.
        hash_name, hash: as the publisher, or a library that fetches it, gives them; without one the hash of the first
            download is kept in ``<name>.sha256``.
    """

    url: str
    kind: ArchiveKind
    description: str
    hash_name: HashName = "sha256"
    hash: str | None = None


@cache
def public_sets() -> dict[str, PublicSet]:
    """Name to data set."""
    raw = yaml.safe_load(SETS_FILE.read_text(encoding="utf-8"))
    known = {name: validate(PublicSet, entry, f"{SETS_FILE}: {name}") for name, entry in raw["sets"].items()}
    return known | _decathlon(raw["decathlon"]) | _medsegbench(raw["medsegbench"])


def download(name: str, folder: Path) -> Path:
    """Fetch, check and unpack a data set into ``folder/name``; what is there already is not fetched again.

    Raises:
        RecipeError: no such data set.
        DataError: the hash differs, the archive is damaged.
        StorageError: the server or the disk refuse.
    """
    known = public_sets()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise RecipeError(f"{name!r}: no such public data set.{hint} `medseg download` without a name lists them")
    wanted = known[name]
    target = folder / name
    if target.is_dir():
        log.info("download: %s is here already", target)
        return target
    archive = folder / f"{name}.{wanted.kind}"
    if not archive.exists():
        fetch(wanted.url, archive)
    _check(archive, wanted, folder / f"{name}.sha256")
    unpack(archive, wanted.kind, target)
    archive.unlink()
    return target


def describe_sets() -> str:
    """Name and description of every data set."""
    known = public_sets()
    width = max(map(len, known))
    return "\n".join(f"  {name:<{width}}  {entry.description}" for name, entry in known.items())


def _check(archive: Path, wanted: PublicSet, lock: Path) -> None:
    if wanted.hash:
        check_hash(archive, wanted.hash_name, wanted.hash)
        return
    if lock.exists():
        check_hash(archive, "sha256", lock.read_text().split()[0])
        return
    lock.write_text(f"{file_hash(archive, 'sha256')}  {archive.name}\n")
    log.warning("download: nobody publishes a hash of %s; that of this download is kept in %s", archive.name, lock)


def _decathlon(raw: dict) -> dict[str, PublicSet]:
    return {
        f"{DECATHLON}{task.lower().replace('_', '-')}": PublicSet(
            url=raw["url"].format(task=task),
            kind="tar",
            description=f"Medical Segmentation Decathlon, {task.replace('_', ' ')}; CC BY-SA 4.0",
            hash_name="md5",
            hash=md5,
        )
        for task, md5 in raw["md5"].items()
    }


def _medsegbench(raw: dict) -> dict[str, PublicSet]:
    return {
        f"{MEDSEGBENCH}{name}": PublicSet(
            url=raw["url"].format(record=raw["moved"].get(name, raw["record"]), name=name),
            kind="npz",
            description=f"MedSegBench {name}, 256 x 256 pixels, with its splits; licence of each set at its source",
            hash_name="md5",
            hash=md5,
        )
        for name, md5 in raw["md5"].items()
    }
