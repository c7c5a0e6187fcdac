"""Raw scans in an S3 bucket: each file is fetched when it is read and goes when its case is written."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from medseg.data.source import Entry, Source
from medseg.errors import DataError, StorageError
from medseg.storage import Store, open_store
from medseg.storage.store import check_key

BLOCK_BYTES = 128 * 2**10  # most DICOM headers fit into one


class RemoteSource(Source):
    """Objects below an S3 prefix; may be handed to other processes of this machine.

    Args:
        uri: ``s3://bucket/prefix``.
        scratch: folder for the files that are being read.

    Raises:
        DataError: there is no object below the prefix.
    """

    def __init__(self, uri: str, scratch: Path) -> None:
        self.root = scratch
        self.uri = uri
        if not any(entry.regular for entry in self.entries()):
            raise DataError(f"{uri}: holds no object; dataset.source must be the prefix that holds the scans")

    def __str__(self) -> str:
        return self.uri

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "uri": self.uri}

    @cached_property
    def _store(self) -> Store:
        return open_store(self.uri)

    @cached_property
    def _listed(self) -> dict[str, Entry]:
        found = self._store.list()
        return {item.key: Entry(item.key, item.size, item.etag, self._is_key(item.key)) for item in found}

    def _is_key(self, name: str) -> bool:
        """Whether the store's own rules for names hold; S3 itself allows any."""
        try:
            check_key(name, self.uri)
        except StorageError:
            return False
        return True

    def entries(self) -> Iterator[Entry]:
        return iter(self._listed.values())

    def entry(self, name: str) -> Entry:
        return self._listed[name]

    def path_of(self, name: str) -> Path:
        # names of objects need not be names of files; the ending says what is in it. Every process has its own copy:
        # one would otherwise release what another is reading
        return self.root / f"{os.getpid()}-{hashlib.sha256(name.encode()).hexdigest()[:32]}" / name.rsplit("/", 1)[-1]

    def path(self, name: str) -> Path:
        path = self.path_of(name)
        if not path.exists():
            self._store.get_file(name, path)
        return path

    def open(self, name: str) -> BinaryIO:
        path = self.path_of(name)
        if path.exists():
            return path.open("rb")
        return io.BufferedReader(_RemoteFile(self._store, name), BLOCK_BYTES)

    def release(self, *names: str) -> None:
        for name in names:
            path = self.path_of(name)
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                path.parent.rmdir()


class _RemoteFile(io.RawIOBase):
    """An object as a file that fetches what is read of it."""

    def __init__(self, store: Store, key: str) -> None:
        self.name = key  # pydicom asks every file for one
        self._store = store
        self._key = key
        self._offset = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            offset += next(item.size for item in self._store.list(self._key) if item.key == self._key)
        self._offset = offset + (self._offset if whence == io.SEEK_CUR else 0)
        return self._offset

    def tell(self) -> int:
        return self._offset

    def readinto(self, buffer: Any) -> int:
        data = self._store.read_range(self._key, self._offset, len(buffer))
        buffer[: len(data)] = data
        self._offset += len(data)
        return len(data)
