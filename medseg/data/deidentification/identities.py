"""Every identifying string that was seen, and the search for them in what is written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from medseg.data.deidentification.pseudonyms import Pseudonyms
from medseg.data.deidentification.search import find_in_text, redacted
from medseg.data.deidentification.spellings import forms, key_word, needles

REMEMBERED = 5_000


class Identities:
    """Identifying strings as digests under the key of the pseudonyms, on disk: the file itself gives nobody away.

    A text holds an identity where the same words follow each other, whatever the case, the accents and the punctuation
    between them, and also run together; a match is never a part of a longer word or of a decimal number, so that dates
    are not found in hash digests. Escapes of JSON, HTML and URLs are undone first; numbers in JSON are no text.

    Args:
        path: SQLite file, readable by its owner only; made on first use. One process writes.
    """

    def __init__(self, path: Path, pseudonyms: Pseudonyms) -> None:
        self._path = path
        self._pseudonyms = pseudonyms
        self._database: sqlite3.Connection | None = None
        self._recent: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_pseudonyms": self._pseudonyms, "_database": None, "_recent": set()}

    def add(self, values: Iterable[str]) -> None:
        """Take strings to search for; those that tell too little are left out (``spellings.searchable``)."""
        new = {value for value in values if value not in self._recent and forms(value)}
        if not new:
            return
        if len(self._recent) > REMEMBERED:
            self._recent.clear()
        self._recent |= new
        rows = [
            (self._digest(key_word(form)), self._digest(form), form.count(" ") + 1)
            for value in new
            for form in forms(value)
        ]
        with self._open() as database:
            database.executemany("INSERT OR IGNORE INTO form VALUES (?, ?, ?)", rows)

    def redact(self, text: str) -> str:
        """The text with every identity in it replaced by ``[removed]``.

        Meant for path names: words are also parted between letters and digits and before capitals, so that
        ``CT20200119`` and ``MuellerHans`` give nothing away.
        """
        return redacted(text, self._forms_in)

    def find(self, data: bytes) -> list[str]:
        """Where identities are left in a text, such as JSON, CSV or a table's strings; answers do not repeat them."""
        return find_in_text(data, self._forms_in, lambda _: [])

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _digest(self, form: str) -> str:
        return self._pseudonyms.digest("form", form)

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(self._path)
            self._database.executescript(
                "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA temp_store = MEMORY;"
                "CREATE TABLE IF NOT EXISTS form (word TEXT, form TEXT, words INTEGER, PRIMARY KEY (word, form))"
                " WITHOUT ROWID;"
                "CREATE TEMP TABLE IF NOT EXISTS seen (word TEXT PRIMARY KEY) WITHOUT ROWID;"
            )
        return self._database

    def _forms_in(self, words: Sequence[str]) -> list[str]:
        """The forms that stand in these words: runs of words around a form's longest one with the form's digest."""
        plain = {self._digest(word): word for word in set(words)}
        with self._open() as database:
            database.execute("DELETE FROM seen")
            database.executemany("INSERT INTO seen VALUES (?)", ((digest,) for digest in plain))
            rows = database.execute("SELECT word, form, words FROM seen CROSS JOIN form USING (word)").fetchall()
        if not rows:
            return []
        places: dict[str, list[int]] = {}
        for place, word in enumerate(words):
            places.setdefault(word, []).append(place)
        found = set()
        for word, form, count in rows:
            starts = {place - back for place in places[plain[word]] for back in range(count)}
            runs = {" ".join(words[start : start + count]) for start in starts if start >= 0}
            found |= {run for run in runs if self._digest(run) == form}
        return sorted(found)


def find_in(data: bytes, identities: Iterable[str], text: bool) -> list[str]:
    """As ``Identities.find``, for the few identities of one case.

    Args:
        text: else the data is binary: there the bytes of an identity of at least 6 characters are found anywhere, in
            every character set of DICOM.
    """
    return finder(identities)(data, text)


def finder(identities: Iterable[str]) -> Callable[[bytes, bool], list[str]]:
    """``find_in`` for one set of identities and much to search through."""
    identities = list(identities)
    by_word: dict[str, list[str]] = {}
    for form in {form for value in identities for form in forms(value)}:
        by_word.setdefault(key_word(form), []).append(form)

    def lookup(words: Sequence[str]) -> list[str]:
        return [form for word in by_word.keys() & set(words) for form in by_word[word]]

    def within(data: bytes) -> list[str]:
        lower = data.lower()
        places = (lower.find(needle) for value in identities for needle in needles(value))
        return [f"byte {place}" for place in sorted({place for place in places if place >= 0})]

    return lambda data, text: find_in_text(data, lookup, within) if text else within(data)
