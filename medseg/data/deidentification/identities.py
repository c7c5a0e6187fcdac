"""Every identifying string that was seen, and the search for them in what is written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from medseg.data.deidentification.search import Grams, find_in_text, gram, redacted
from medseg.data.deidentification.spellings import forms, key_word, needles

REMEMBERED = 50_000
LONGEST_NEEDLE = 4096


class Identities:
    """Identifying strings on disk, in a file that goes when the ingest ends; one process writes.

    A text holds an identity where the same words follow each other, whatever the case, the accents and the punctuation
    between them, and also run together; a match is never a part of a longer word or of a decimal number, so that dates
    are not found in hash digests. Escapes of JSON, HTML and URLs are undone first, numbers of a JSON document are no
    text, and pictures within HTML are searched as binary data. There, the bytes of an identity of at least 6 characters
    are found anywhere, in every character set of DICOM.

    Args:
        path: SQLite file in the ingest's scratch folder, readable by its owner only; made on first use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._recent: set[str] = set()
        self._grams: Grams | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_database": None, "_recent": set(), "_grams": None}

    def add(self, values: Iterable[str]) -> None:
        """Take strings to search for; those that tell too little are left out (``spellings.searchable``)."""
        new = {value for value in values if value not in self._recent and forms(value)}
        if not new:
            return
        if len(self._recent) > REMEMBERED:
            self._recent.clear()
        self._recent |= new
        self._grams = None
        written = [(key_word(form), form) for value in new for form in forms(value)]
        raw = [(gram(needle), needle) for value in new for needle in needles(value)]
        with self._open() as database:
            database.executemany("INSERT OR IGNORE INTO form VALUES (?, ?)", written)
            database.executemany("INSERT OR IGNORE INTO needle VALUES (?, ?)", raw)

    def redact(self, text: str) -> str:
        """The text with every identity in it replaced by ``[removed]``.

        Meant for path names: words are also parted between letters and digits and before capitals, so that
        ``CT20200119`` and ``MuellerHans`` give nothing away.
        """
        return redacted(text, self._forms_with)

    def find(self, data: bytes, text: bool) -> list[str]:
        """Where identities are left in the bytes; the answers do not repeat them.

        Args:
            text: the data is text, such as JSON, CSV, HTML or the strings of a table; else it is binary.
        """
        return find_in_text(data, self._forms_with, self._needles_in) if text else self._needles_in(data)

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(self._path)
            self._database.executescript(
                "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA temp_store = MEMORY;"
                "CREATE TABLE IF NOT EXISTS form (word TEXT, form TEXT, PRIMARY KEY (word, form)) WITHOUT ROWID;"
                "CREATE TABLE IF NOT EXISTS needle (gram INTEGER, needle BLOB, PRIMARY KEY (gram, needle))"
                " WITHOUT ROWID;"
                "CREATE TEMP TABLE IF NOT EXISTS seen (word TEXT PRIMARY KEY) WITHOUT ROWID;"
            )
        return self._database

    def _forms_with(self, seen: Collection[str]) -> list[str]:
        """The forms whose longest word is among these words."""
        with self._open() as database:
            database.execute("DELETE FROM seen")
            database.executemany("INSERT INTO seen VALUES (?)", ((word,) for word in seen))
            return [form for (form,) in database.execute("SELECT form FROM seen CROSS JOIN form USING (word)")]

    def _needles_in(self, data: bytes) -> list[str]:
        database = self._open()
        if self._grams is None:
            self._grams = Grams(first for (first,) in database.execute("SELECT DISTINCT gram FROM needle"))
        found = []
        for place, first in self._grams.find(data):
            part = data[place : place + LONGEST_NEEDLE].lower()
            rows = database.execute("SELECT needle FROM needle WHERE gram = ?", (first,))
            if any(part.startswith(needle) for (needle,) in rows):
                found.append(f"byte {place}")
        return found


def find_in(data: bytes, identities: Iterable[str], text: bool) -> list[str]:
    """As ``Identities.find``, for the few identities of one case."""
    return finder(identities)(data, text)


def finder(identities: Iterable[str]) -> Callable[[bytes, bool], list[str]]:
    """``find_in`` for one set of identities and much to search through."""
    identities = list(identities)
    by_word: dict[str, list[str]] = {}
    for form in {form for value in identities for form in forms(value)}:
        by_word.setdefault(key_word(form), []).append(form)

    def lookup(seen: Collection[str]) -> list[str]:
        return [form for word in by_word.keys() & seen for form in by_word[word]]

    def within(data: bytes) -> list[str]:
        lower = data.lower()
        places = (lower.find(needle) for value in identities for needle in needles(value))
        return [f"byte {place}" for place in sorted({place for place in places if place >= 0})]

    return lambda data, text: find_in_text(data, lookup, within) if text else within(data)
