"""Every identifying string that was seen, and the search for them in what is written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class Identities:
    """Identifying strings on disk, in a file that goes when the ingest ends.

    Args:
        path: SQLite file in the ingest's scratch folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, values: Iterable[str]) -> None:
        raise NotImplementedError

    def redact(self, text: str) -> str:
        """The text with every identity in it replaced by ``[removed]``."""
        raise NotImplementedError

    def find(self, data: bytes, text: bool) -> list[str]:
        """Where identities are left in the bytes."""
        raise NotImplementedError
