"""What became of every input file: accepted, or left out with a code and a reason; kept on disk, not in memory."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from medseg.data.layouts.listing import Rejection, SourceCase
from medseg.data.source import Source, stored
from medseg.errors import RejectedFileError

COLUMNS = ("path", "code", "reason")


class Ledger:
    """Gives every file of a source exactly one fate; the first reason against a file stays.

    Args:
        path: SQLite file in the ingest's scratch folder.
        told: how the name of a file is told to others, where it may identify somebody.
    """

    def __init__(self, path: Path, told: Callable[[str], str] = str) -> None:
        self._told = told
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE fate (name BLOB PRIMARY KEY, code TEXT, reason TEXT) WITHOUT ROWID")
        self._database.execute("BEGIN")
        self._kept: set[str] = set()

    def keep(self, names: Iterable[str]) -> None:
        """Accept files for what they say about many cases, whatever becomes of one of these."""
        self._kept.update(names)
        self.accept(self._kept)

    def accept(self, names: Iterable[str]) -> None:
        rows = ((stored(name),) for name in names)
        self._database.executemany("INSERT OR IGNORE INTO fate VALUES (?, NULL, NULL)", rows)

    def accept_case(self, case: SourceCase) -> None:
        self.accept((*case.images, *case.references))

    def reject(self, rejections: Iterable[Rejection]) -> None:
        self._database.executemany(
            "INSERT INTO fate VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
            " SET code = excluded.code, reason = excluded.reason WHERE code IS NULL",
            ((stored(row.path), row.code, row.reason) for row in rejections if row.path not in self._kept),
        )

    def reject_case(self, case: SourceCase, error: RejectedFileError, at_fault: str | None) -> None:
        """Leave a whole case out.

        Args:
            at_fault: the one file at fault; None where the fault is in all images together.
        """
        faulty = [at_fault] if at_fault else list(case.images)
        self.reject(Rejection(name, error.code, error.reason) for name in faulty)
        why = f"{self._told(faulty[0])} of case {case.case} is {error.code}"
        others = (name for name in (*case.images, *case.references) if name not in faulty)
        self.reject(Rejection(name, "case-rejected", why) for name in others)

    def close(self, source: Source) -> None:
        """Leave out what nobody asked for."""
        unused = "belongs to no case and is no metadata of this layout"
        self._database.executemany(
            "INSERT OR IGNORE INTO fate VALUES (?, ?, ?)",
            (
                (stored(entry.name), "not-part-of-layout", unused)
                if entry.regular
                else (stored(entry.name), "not-a-file", "is a broken link, a pipe or a device")
                for entry in source.entries()
            ),
        )

    def rejected(self) -> Iterator[Rejection]:
        """Sorted by path."""
        query = "SELECT name, code, reason FROM fate WHERE code IS NOT NULL ORDER BY name"
        for name, code, reason in self._database.execute(query):
            yield Rejection(_shown(name), code, reason)

    @property
    def seen(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM fate").fetchone()[0])

    def by_code(self) -> dict[str, int]:
        """Number of rejected files by code, the most frequent first."""
        return {row.code: count for row, count in self.examples()}

    def examples(self) -> list[tuple[Rejection, int]]:
        """The first file of every code, and how many there are, the most frequent code first."""
        query = (
            "SELECT min(name), code, reason, count(*) FROM fate WHERE code IS NOT NULL"
            " GROUP BY code ORDER BY count(*) DESC, code"  # SQLite takes the reason from the row of the least name
        )
        found = self._database.execute(query)
        return [
            (Rejection(printable(self._told(_shown(name))), code, reason), int(count))
            for name, code, reason, count in found
        ]

    def write_csv(self, path: Path, redact: Callable[[str], str]) -> None:
        """``rejected.csv``; ``redact`` takes identities out of reasons."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in self.rejected():
                writer.writerow((printable(self._told(row.path)), row.code, printable(redact(row.reason))))


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """Line ends and other control characters as escapes: names may hold them, tables may not."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
