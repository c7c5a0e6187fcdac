"""Where raw scans come from: a folder whose files are listed one by one, never all at once."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from medseg.errors import DataError

GLIMPSE_PER_FOLDER = 100
GLIMPSE = 20_000


@dataclass(frozen=True)
class Entry:
    """One file of a source.

    Attributes:
        name: path below the source, parts separated by slashes.
        size: bytes.
        tag: changes with the content: time of change, or S3's ETag.
        regular: False for pipes, devices and broken links.
    """

    name: str
    size: int
    tag: str
    regular: bool = True


class Source:
    """A folder of raw scans; may be handed to other processes.

    Args:
        root: local folder.

    Raises:
        DataError: no such folder, or it holds no file.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if not root.is_dir():
            problem = "is not a folder" if root.exists() else "no such folder"
            raise DataError(f"{root}: {problem}; dataset.source must be the folder that holds the scans")
        if not any(entry.regular for entry in self.entries()):
            raise DataError(f"{root}: holds no file; dataset.source must be the folder that holds the scans")

    def __str__(self) -> str:
        return str(self.root)

    def entries(self) -> Iterator[Entry]:
        """Everything below the source, folder by folder, sorted within each; linked folders are followed, each once.

        Raises:
            DataError: a folder cannot be listed.
        """
        for folder, names in _walk(self.root):
            prefix = Path(folder).relative_to(self.root).as_posix()
            prefix = "" if prefix == "." else f"{prefix}/"
            for name in sorted(names):
                yield _entry(f"{folder}/{name}", prefix + name)

    def names(self) -> Iterator[str]:
        """Names of all regular files."""
        return (entry.name for entry in self.entries() if entry.regular)

    @cached_property
    def glimpse(self) -> tuple[str, ...]:
        """Some file names of every folder: enough to recognise a layout by."""
        shown: list[str] = []
        count: Counter[str] = Counter()
        for name in self.names():
            folder = name.rpartition("/")[0]
            count[folder] += 1
            if count[folder] <= GLIMPSE_PER_FOLDER:
                shown.append(name)
            if len(shown) == GLIMPSE:
                break
        return tuple(shown)

    def entry(self, name: str) -> Entry:
        """One file of ``entries``."""
        return _entry(f"{self.root}/{name}", name)

    def fingerprint(self, start: str) -> str:
        """Digest of the names, sizes and tags of everything below, and of ``start``; no file is read."""
        total = hashlib.sha256(start.encode())
        for entry in self.entries():
            total.update(f"{entry.name}\0{entry.size}\0{entry.tag}\0".encode("utf-8", "surrogateescape"))
        return total.hexdigest()[:16]

    def path_of(self, name: str) -> Path:
        """Where the file lies on this machine once it is here."""
        return self.root / name

    def path(self, name: str) -> Path:
        """The file on this machine, to be read whole."""
        return self.path_of(name)

    def open(self, name: str) -> BinaryIO:
        """The file, to read only a part of it, such as a header."""
        return self.path(name).open("rb")

    def release(self, *names: str) -> None:
        """These files are read; copies of them may go."""


def stored(name: str) -> bytes:
    """The name of a file as SQLite takes it: it need not be valid UTF-8."""
    return name.encode("utf-8", "surrogateescape")


def _walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: folder cannot be listed: {error.strerror}")

    visited: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True, onerror=refuse):
        visited.add(os.path.realpath(folder))
        folders[:] = sorted(name for name in folders if os.path.realpath(Path(folder, name)) not in visited)
        yield folder, files


def _entry(path: str, name: str) -> Entry:
    try:
        stat = os.stat(path)  # noqa: PTH116  millions of files: no Path for each
    except OSError:
        return Entry(name, 0, "", regular=False)
    regular = os.path.isfile(path)  # noqa: PTH113
    return Entry(name, stat.st_size, str(stat.st_mtime_ns), regular)
