"""The interface of a store, and how one is opened from its URI."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from medseg.errors import NotFoundError, StorageError

T = TypeVar("T")

PARALLEL = 16  # transfers at a time: small objects are bound by latency, not by bandwidth


@dataclass(frozen=True)
class StoredObject:
    """One object: key relative to the store's root, size in bytes, and a tag that changes with the content.

    The tag is S3's ETag; for files, and for servers that give none, it is made from time of change and size.
    """

    key: str
    size: int
    etag: str


class Store(ABC):
    """Objects under a URI; keys are relative to it, parts separated by slashes.

    Keys form a tree, as files do: ``a`` and ``a/b`` cannot both be objects (S3 itself would allow it).
    All methods raise NotFoundError, AccessError, UnreachableError or StorageFullError, each naming what it was about.
    """

    uri: str

    @abstractmethod
    def put_bytes(self, key: str, data: bytes) -> None:
        """Write a whole object; readers see the old one or the new one, never a part."""

    @abstractmethod
    def put_file(self, path: Path, key: str) -> None:
        """Like ``put_bytes``, from a local file and in parts where it is large."""

    @abstractmethod
    def get_bytes(self, key: str) -> bytes:
        """A whole object."""

    @abstractmethod
    def get_file(self, key: str, path: Path) -> None:
        """Download to a local file that appears only when it is whole; makes missing folders."""

    @abstractmethod
    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer where the object ends, none behind its end."""

    @abstractmethod
    def copy(self, key: str, to: str) -> None:
        """Make ``to`` an object equal to ``key`` without moving the bytes through this machine."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Whether there is an object of that key; a missing bucket is an error."""

    @abstractmethod
    def list(self, prefix: str = "") -> list[StoredObject]:
        """All objects whose key starts with ``prefix``, sorted by key; unfinished ones are left out."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; no error where there is none."""

    def local_path(self, key: str) -> Path | None:
        """The file itself where the store is a folder of this machine, so that nobody copies it; "" is its root."""
        return None

    def put_folder(self, folder: Path, prefix: str = "", marker: str | None = None) -> None:
        """Upload all files of a folder in parallel; ``marker``, one of them, goes last.

        Readers that wait for the marker never see a half-written folder: an older marker is removed first.

        Raises:
            StorageError: ``folder`` has no file ``marker``; nothing is uploaded then.
        """
        if not folder.is_dir():
            raise NotFoundError(f"{folder}: no such folder to upload")
        keys = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        marker_path = keys.pop(marker, None) if marker else None
        if marker and not marker_path:
            raise StorageError(f"{folder / marker}: the marker of an upload must be one of its files")
        if marker and self.exists(_under(prefix, marker)):
            self.delete(_under(prefix, marker))
        in_parallel(lambda item: self.put_file(item[1], _under(prefix, item[0])), keys.items())
        if marker and marker_path:
            self.put_file(marker_path, _under(prefix, marker))

    def get_folder(self, prefix: str, folder: Path) -> None:
        """Download all objects under ``prefix`` in parallel.

        A file that is there with the object's size is not fetched again: meant for folders whose objects never change.
        """
        start = f"{prefix.rstrip('/')}/" if prefix else ""

        def fetch(item: StoredObject) -> None:
            path = folder / check_key(item.key.removeprefix(start), self.uri)
            if not path.is_file() or path.stat().st_size != item.size:
                self.get_file(item.key, path)

        in_parallel(fetch, self.list(start))


def open_store(uri: str) -> Store:
    """A store rooted at ``s3://bucket[/prefix]``, ``file://folder`` or a plain folder.

    S3 is reached as the usual AWS variables say.

    Raises:
        StorageError: another scheme.
        AccessError: S3 keys are needed and none were found.
    """
    folder = folder_of(uri)
    if folder is None:
        from medseg.storage.s3 import S3Store

        return S3Store(uri)
    from medseg.storage.local import LocalStore

    return LocalStore(folder)


def folder_of(uri: str) -> Path | None:
    """The folder that a URI names, None for S3.

    Raises:
        StorageError: another scheme.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return Path(uri)
    if scheme not in ("s3", "file"):
        raise StorageError(f"{uri}: unknown kind of store {scheme!r}; choices: s3://bucket/prefix, or a folder")
    return Path(rest) if scheme == "file" else None


def check_key(key: str, uri: str) -> str:
    """The key itself if it names one place inside the store, on S3 and as a file alike.

    Raises:
        StorageError: it is empty, leaves the store, or holds control characters.
    """
    if any(part in ("", ".", "..") for part in key.split("/")) or not key.isprintable():
        raise StorageError(
            f"{uri}: bad key {key!r}; a key is names joined by single slashes, without . and .. among them"
        )
    return key


def in_parallel(work: Callable[[T], None], items: Iterable[T]) -> None:
    """Do ``work`` for every item, some at a time; the first fault ends it and is raised."""
    waiting = iter(items)
    with ThreadPoolExecutor(PARALLEL) as pool:
        running = {pool.submit(work, item) for item in islice(waiting, 2 * PARALLEL)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                running |= {pool.submit(work, item) for item in islice(waiting, len(done))}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _under(prefix: str, key: str) -> str:
    return f"{prefix.rstrip('/')}/{key}" if prefix else key
