"""What is known of many DICOM files, in SQLite: records, which hold no identity and are kept, and names, which go."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from medseg.data.deidentification.pseudonyms import Pseudonyms
from medseg.data.dicom.geometry import Plane
from medseg.data.dicom.records import Owner, Record
from medseg.data.source import Entry, stored

VERSION = 1  # raise when another record is made of the same file
IMAGES = ("slice", "frames", "picture")
REFERENCES = ("segments", "contours")

_KEPT = """
CREATE TABLE IF NOT EXISTS kept.file (
 key TEXT PRIMARY KEY, kind TEXT, code TEXT, reason TEXT, patient TEXT, series TEXT, instance TEXT,
 frame_of_reference TEXT, modality TEXT, burned_in TEXT, detail TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kept.file_by_series ON file (series);
CREATE INDEX IF NOT EXISTS kept.file_by_kind ON file (kind);
"""
_FILE = "key, kind, code, reason, patient, series, instance, frame_of_reference, modality, burned_in, detail"

WORD = re.compile(r"[^\W\d_]{3,}")

StoredRecord = tuple[str, ...]  # in the order of the columns, without the key


@dataclass(frozen=True)
class File:
    """A file of the source and its record."""

    key: str
    name: str
    record: Record

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[0]

    def __str__(self) -> str:
        """The name for messages, in valid UTF-8."""
        return stored(self.name).decode("utf-8", "backslashreplace")


class Catalog:
    """The files of a source.

    Args:
        kept: SQLite file that lasts; one that is damaged or of another version is begun anew.
        scratch: SQLite file that goes; it holds the names.
    """

    def __init__(self, kept: Path, scratch: Path) -> None:
        scratch.unlink(missing_ok=True)
        self.database = sqlite3.connect(scratch, isolation_level=None)
        self.database.executescript(
            "PRAGMA main.synchronous = OFF; PRAGMA main.journal_mode = MEMORY;"
            "CREATE TABLE entry (key TEXT PRIMARY KEY, name BLOB, size INTEGER) WITHOUT ROWID;"
        )
        try:
            self._attach(kept)
        except sqlite3.DatabaseError:
            if len(self.database.execute("PRAGMA database_list").fetchall()) > 1:
                self.database.execute("DETACH DATABASE kept")
            kept.unlink(missing_ok=True)
            self._attach(kept)

    def _attach(self, kept: Path) -> None:
        self.database.execute("ATTACH DATABASE ? AS kept", (os.fspath(kept),))
        if self.database.execute("PRAGMA kept.user_version").fetchone()[0] not in (0, VERSION):
            raise sqlite3.DatabaseError("of another version")
        self.database.executescript(f"PRAGMA kept.synchronous = OFF; {_KEPT} PRAGMA kept.user_version = {VERSION};")
        if self.database.execute("PRAGMA kept.quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("damaged")

    def take(self, entries: Iterable[Entry], pseudonyms: Pseudonyms) -> int:
        """Take the files that are there; records of others are dropped. Returns how many have no record."""
        rows = (
            (pseudonyms.digest("file", entry.name, str(entry.size), entry.tag), stored(entry.name), entry.size)
            for entry in entries
            if entry.regular
        )
        with _transaction(self.database):
            self.database.executemany("INSERT OR IGNORE INTO entry VALUES (?, ?, ?)", rows)
            self.database.execute("DELETE FROM kept.file WHERE key NOT IN (SELECT key FROM entry)")
            self.database.execute(
                "CREATE TABLE unread AS SELECT key, name, size FROM entry"
                " WHERE key NOT IN (SELECT key FROM kept.file) ORDER BY name"
            )
        return int(self.database.execute("SELECT count(*) FROM unread").fetchone()[0])

    def unread(self) -> Iterator[tuple[str, str, int]]:
        """Key, name and size of every file without a record, in the order of names."""
        for key, name, size in self.database.execute("SELECT key, name, size FROM unread ORDER BY rowid"):
            yield key, shown(name), size

    def add(self, records: Iterable[tuple[str, StoredRecord]]) -> None:
        """Keep records by key; they last from here on."""
        with _transaction(self.database):
            marks = ", ".join("?" * 11)
            self.database.executemany(
                f"INSERT OR REPLACE INTO kept.file ({_FILE}) VALUES ({marks})", ((key, *row) for key, row in records)
            )

    def series(self) -> Iterator[list[File]]:
        """The images of one series after the other, each in the order of names."""
        files = self._files(f"kind IN {IMAGES} ORDER BY series, name")
        for _, group in groupby(files, lambda file: file.record.owner.series):
            yield list(group)

    def references(self) -> Iterator[File]:
        """References in the order of names."""
        return self._files(f"kind IN {REFERENCES} ORDER BY name")

    def others(self) -> Iterator[File]:
        """Files that are DICOM, or should be, but hold no scan."""
        return self._files("kind = 'none'")

    def plain(self) -> Iterator[str]:
        """Names of files that are no DICOM."""
        query = "SELECT name FROM kept.file JOIN entry USING (key) WHERE kind = 'other' ORDER BY name"
        return (shown(name) for (name,) in self.database.execute(query))

    def _files(self, condition: str) -> Iterator[File]:
        columns = ", ".join(f"file.{column}" for column in _FILE.split(", "))
        query = f"SELECT entry.name, {columns} FROM kept.file AS file JOIN entry USING (key) WHERE {condition}"
        for name, key, *row in self.database.execute(query):
            yield File(key, shown(name), unpacked(row))


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and one write to disk."""
    database.execute("BEGIN")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def shown(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def packed(record: Record) -> StoredRecord:
    """A record as a row."""
    detail = [
        [_numbers(plane) for plane in record.planes],
        record.series,
        record.instances,
        list(record.names.items()),
    ]
    owner = record.owner
    uids = (owner.patient, owner.series, owner.instance, owner.frame_of_reference)
    text = json.dumps(detail, separators=(",", ":"))
    return (record.kind, record.code, record.reason, *uids, record.modality, record.burned_in, text)


def _numbers(plane: Plane) -> list[object]:
    place = [plane.position, plane.orientation, plane.spacing_mm, plane.size]
    return [*place, plane.thickness_mm, plane.kind, plane.repeat]


def unpacked(row: list[str]) -> Record:
    """The record of a row."""
    kind, code, reason, patient, series, instance, frame, modality, burned_in, text = row
    planes, targets, instances, names = json.loads(text)
    return Record(
        kind,
        code,
        reason,
        Owner(patient, series, instance, frame),
        modality,
        burned_in,
        tuple(_plane(*plane) for plane in planes),
        tuple(targets),
        tuple(instances),
        {int(number): name for number, name in names},
    )


def _plane(
    position: list[float],
    orientation: list[float],
    spacing_mm: list[float],
    size: list[int],
    thickness_mm: float,
    kind: list[str],
    repeat: list[str],
) -> Plane:
    row_mm, column_mm = spacing_mm
    rows, columns = size
    place = (tuple(position), tuple(orientation), (row_mm, column_mm), (rows, columns))
    return Plane(*place, thickness_mm, tuple(kind), tuple(repeat))


def forget_identifying(kept: Path, holds_identity: Callable[[str], bool]) -> None:
    """Drop the records whose texts, such as names of contours, hold an identity; their files are read again."""
    database = sqlite3.connect(kept, isolation_level=None)
    known: dict[str, bool] = {}
    found = []
    for key, kind, *texts in database.execute("SELECT key, kind, reason, modality, burned_in, detail FROM file"):
        text = "\n".join(texts)
        if kind not in REFERENCES:  # of slices, which are many and differ by numbers, the words
            text = " ".join(sorted(set(WORD.findall(text))))
        if text not in known:
            known[text] = holds_identity(text)
        if known[text]:
            found.append((key,))
    if found:
        database.executemany("DELETE FROM file WHERE key = ?", found)
        database.execute("VACUUM")
    database.close()
