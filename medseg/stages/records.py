"""What became of every case that was ever read: the memory that lets an ingest go on and read only what is new."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from medseg.data.labels import Found
from medseg.errors import RejectedFileError
from medseg.types import Case

VERSION = 1  # raise when a record says other things


class CaseRecord(BaseModel):
    """One case of the source, read and written or refused; holds no identity.

    Attributes:
        key: digest of its files and of everything that shapes what is made of them.
        base: folder below the data set's name that holds its volumes.
        case: None where it is left out.
        volumes: key below ``base`` to sha256.
        removed: identifying attribute to what became of it.
        code, reason: why it is left out.
        at_fault: number of the file at fault among images and references; None where it is all images together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: str
    base: str = ""
    case: Case | None = None
    channels: int = 0
    volumes: Mapping[str, str] = {}
    removed: Mapping[str, str] = {}
    warnings: tuple[str, ...] = ()
    code: str = ""
    reason: str = ""
    at_fault: int | None = None

    @property
    def error(self) -> RejectedFileError:
        return RejectedFileError(self.code, self.reason)


def read_lines(data: bytes) -> Iterator[CaseRecord]:
    """Records, one per line; lines of another version are passed over, and their cases read again."""
    for line in data.decode().split("\n"):  # not splitlines: texts may hold other line ends
        with contextlib.suppress(ValueError):
            yield CaseRecord.model_validate_json(line)


class Records:
    """Records by key, and the values found in references by the key of their files; an SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._open()
        except sqlite3.DatabaseError:  # damaged or of another version: everything is read again
            self._database.close()
            path.unlink()
            self._open()

    def _open(self) -> None:
        self._database = sqlite3.connect(self.path, isolation_level=None)
        if self._database.execute("PRAGMA user_version").fetchone()[0] not in (0, VERSION):
            raise sqlite3.DatabaseError("of another version")
        self._database.executescript(
            "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;"  # a file that is not closed is not used again
            f"PRAGMA user_version = {VERSION};"
            "CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, base TEXT, json TEXT);"
            "CREATE TABLE IF NOT EXISTS found (key TEXT PRIMARY KEY, json TEXT);"
            "BEGIN;"
        )

    def add(self, records: Iterable[CaseRecord]) -> None:
        rows = ((record.key, record.base, record.model_dump_json()) for record in records)
        self._database.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", rows)

    def get(self, key: str) -> CaseRecord | None:
        row = self._database.execute("SELECT json FROM record WHERE key = ?", (key,)).fetchone()
        return CaseRecord.model_validate_json(row[0]) if row else None

    def __contains__(self, key: str) -> bool:
        return self._database.execute("SELECT 1 FROM record WHERE key = ?", (key,)).fetchone() is not None

    def forget_unless(self, is_there: Callable[[str], bool]) -> None:
        """Drop the records whose base is gone, so that their cases are read again."""
        bases = self._database.execute("SELECT DISTINCT base FROM record WHERE base != ''").fetchall()
        gone = [(base,) for (base,) in bases if not is_there(base)]
        self._database.executemany("DELETE FROM record WHERE base = ?", gone)

    def add_found(self, key: str, found: Found) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO found VALUES (?, ?)", (key, json.dumps([found.values, found.grey]))
        )

    def found(self, key: str) -> Found | None:
        row = self._database.execute("SELECT json FROM found WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        values, grey = json.loads(row[0])
        return Found(tuple(values), grey)

    def copy_found(self, other: Records) -> None:
        """Take over the values that were found in references."""
        rows = other._database.execute("SELECT key, json FROM found")
        self._database.executemany("INSERT OR REPLACE INTO found VALUES (?, ?)", rows)

    def all(self) -> Iterator[CaseRecord]:
        """Every record, in the order in which they were added."""
        for (text,) in self._database.execute("SELECT json FROM record ORDER BY rowid"):
            yield CaseRecord.model_validate_json(text)

    def close(self) -> None:
        """Finish the file, so that it can be kept."""
        self._database.execute("COMMIT")
        self._database.close()
