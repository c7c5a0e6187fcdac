"""Images of a DICOM catalog as cases, named by pseudonyms, in SQLite; each may still be refused for its references."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medseg.config import DatasetConfig
from medseg.data.deidentification.pseudonyms import Pseudonyms
from medseg.data.dicom.catalog import Catalog, shown
from medseg.data.dicom.clerk import ENDINGS
from medseg.data.dicom.grouping import FEW_SLICES, Found, sort_series
from medseg.data.dicom.records import Owner
from medseg.data.layouts.listing import Rejection, SourceCase
from medseg.data.source import stored

NOBODY = Owner()

_TABLES = """
CREATE TABLE image (name TEXT PRIMARY KEY, patient TEXT, series TEXT, frame_of_reference TEXT, modality TEXT,
 folder BLOB, base BLOB, stem BLOB, code TEXT, reason TEXT) WITHOUT ROWID;
CREATE INDEX image_by_series ON image (series);
CREATE INDEX image_by_frame ON image (frame_of_reference);
CREATE INDEX image_by_base ON image (base);
CREATE INDEX image_by_stem ON image (stem);
CREATE TABLE member (image TEXT, place INTEGER, name BLOB, instance TEXT, PRIMARY KEY (image, place)) WITHOUT ROWID;
CREATE INDEX member_by_instance ON member (instance);
CREATE INDEX member_by_name ON member (name);
CREATE TABLE refused (name BLOB PRIMARY KEY, series TEXT, instance TEXT, code TEXT, reason TEXT) WITHOUT ROWID;
CREATE INDEX refused_by_series ON refused (series);
CREATE INDEX refused_by_instance ON refused (instance);
CREATE TABLE reference (image TEXT, name BLOB, PRIMARY KEY (image, name)) WITHOUT ROWID;
"""


def case_name(pseudonyms: Pseudonyms, patient: str, series: str, parts: tuple[str, ...]) -> str:
    """The same for the same image, whatever else an archive holds.

    Args:
        series: digest of the series.
        parts: what tells the image from others of its series.
    """
    return f"{patient}-{pseudonyms.digest('case', series, *parts, length=8)}"


@dataclass
class Images:
    """The images of a source, on disk.

    Attributes:
        path: SQLite file in the ingest's scratch folder.
        warnings: what was decided, without names.
    """

    database: sqlite3.Connection
    path: Path
    warnings: list[str] = field(default_factory=list)


def find_images(catalog: Catalog, path: Path, config: DatasetConfig, pseudonyms: Pseudonyms) -> Images:
    """Sort all images of a catalog, series by series."""
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(f"PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; {_TABLES} BEGIN;")
    images = Images(database, path)
    few = 0
    for files in catalog.series():
        result = sort_series(files, config)
        owners = {file.name: file.record.owner for file in files}
        for found in result.found:
            _insert(images, found, pseudonyms)
            few += 0 < found.slices <= FEW_SLICES
        for name, (code, reason) in result.refused.items():
            refuse(images, name, code, reason, owners[name])
        images.warnings.extend(result.left_out)
    for file in catalog.others():
        refuse(images, file.name, file.record.code, file.record.reason)
    database.execute("COMMIT")
    if few:
        images.warnings.append(f"volumes of {FEW_SLICES} slices or fewer: {few}")
    return images


def _insert(images: Images, found: Found, pseudonyms: Pseudonyms) -> None:
    first = found.files[0]
    owner = first.record.owner
    name = case_name(pseudonyms, owner.patient, owner.series, found.parts)
    if images.database.execute("SELECT 1 FROM image WHERE name = ?", (name,)).fetchone():
        name = case_name(pseudonyms, owner.patient, owner.series, (*found.parts, min(found.instances, default="")))
    label = _stem(first.name) if len(found.files) == 1 else ""
    values = (name, owner.patient, owner.series, owner.frame_of_reference, first.record.modality)
    added = images.database.execute(
        "INSERT OR IGNORE INTO image VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        (*values, *map(stored, (first.folder, first.folder.rpartition("/")[2], label))),
    )
    if not added.rowcount:
        for file in found.files:
            reason = "another volume of the same series cannot be told from it"
            refuse(images, file.name, "duplicate-instance", reason, owner)
        return
    images.database.executemany(
        "INSERT INTO member VALUES (?, ?, ?, ?)",
        ((name, place, stored(file.name), file.record.owner.instance) for place, file in enumerate(found.files)),
    )


def _stem(name: str) -> str:
    last = name.rpartition("/")[2]
    ending = next((ending for ending in ENDINGS if last.lower().endswith(ending)), "")
    return last.removesuffix(last[len(last) - len(ending) :]) if ending else last


def refuse(images: Images, name: str, code: str, reason: str, owner: Owner = NOBODY) -> None:
    """Leave a file out; the first reason stays."""
    row = (stored(name), owner.series, owner.instance, code, reason)
    images.database.execute("INSERT OR IGNORE INTO refused VALUES (?, ?, ?, ?, ?)", row)


def refuse_image(images: Images, image: str, code: str, reason: str) -> None:
    """Leave an image out; the first reason stays."""
    images.database.execute(
        "UPDATE image SET code = ?, reason = ? WHERE name = ? AND code IS NULL", (code, reason, image)
    )


@dataclass(frozen=True)
class Cases:
    """The images that are left, in the order of their names; read from disk each time."""

    path: Path

    def __iter__(self) -> Iterator[SourceCase]:
        database = sqlite3.connect(self.path)
        try:
            for name, patient in database.execute("SELECT name, patient FROM image WHERE code IS NULL ORDER BY name"):
                members = database.execute("SELECT name FROM member WHERE image = ? ORDER BY place", (name,))
                files = tuple(shown(member) for (member,) in members)
                drawn = database.execute("SELECT name FROM reference WHERE image = ? ORDER BY name", (name,))
                yield SourceCase(name, patient, "", files, tuple(shown(reference) for (reference,) in drawn))
        finally:
            database.close()


@dataclass(frozen=True)
class Rejections:
    """Everything that was left out, each file once; read from disk each time."""

    path: Path

    def __iter__(self) -> Iterator[Rejection]:
        database = sqlite3.connect(self.path)
        kept = "SELECT member.name FROM member JOIN image ON image.name = member.image WHERE image.code IS NULL"
        try:
            for name, code, reason in database.execute(
                "SELECT name, code, reason FROM refused UNION ALL"
                " SELECT member.name, min(image.code), image.reason FROM member JOIN image ON image.name = member.image"
                f" WHERE image.code IS NOT NULL AND member.name NOT IN ({kept})"
                " AND member.name NOT IN (SELECT name FROM refused) GROUP BY member.name ORDER BY 1"
            ):
                yield Rejection(shown(name), code, reason)
        finally:
            database.close()
