"""A store that is a folder of this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from medseg.storage.embedded import UNFINISHED
from medseg.storage.files import TEMPORARY, copy_whole, link_whole, naming, write_whole
from medseg.storage.store import Store, StoredObject, check_key

HIDDEN = (TEMPORARY, UNFINISHED)  # unfinished files: ours, and those of an embedded server over this folder


class LocalStore(Store):
    """Objects are files; keys form a tree, so no key can lie below another one."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser()
        self.uri = str(self._root)

    def local_path(self, key: str) -> Path:
        return self._path(key) if key else self._root

    def put_bytes(self, key: str, data: bytes) -> None:
        write_whole(self._path(key), lambda file: file.write(data))

    def put_file(self, path: Path, key: str) -> None:
        copy_whole(path, self._path(key))

    def get_bytes(self, key: str) -> bytes:
        path = self._path(key)
        with naming(str(path)):
            return path.read_bytes()

    def get_file(self, key: str, path: Path) -> None:
        copy_whole(self._path(key), path)

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        path = self._path(key)
        with naming(str(path)), path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def copy(self, key: str, to: str) -> None:
        link_whole(self._path(key), self._path(to))

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def list(self, prefix: str = "") -> list[StoredObject]:
        folder = self.local_path(prefix.rpartition("/")[0])
        found = (item for item in self._below(folder) if item.key.startswith(prefix))
        return sorted(found, key=lambda item: item.key)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with naming(str(path)):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # folders go with their last object, as they do in a bucket
            for folder in path.relative_to(self._root).parents[:-1]:
                (self._root / folder).rmdir()

    def _path(self, key: str) -> Path:
        return self._root / check_key(key, self.uri)

    def _below(self, folder: Path) -> Iterator[StoredObject]:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if name.startswith(HIDDEN):
                    continue
                try:
                    stat = path.stat()
                except FileNotFoundError:
                    continue  # deleted since the folder was read
                key = path.relative_to(self._root).as_posix()
                yield StoredObject(key, stat.st_size, f"{stat.st_mtime_ns}-{stat.st_size}")
