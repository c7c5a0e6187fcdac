"""Local copies of what lies in the store and does not change, shared by all processes of one machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from medseg.errors import NotFoundError
from medseg.storage.store import Store, open_store


def cached_folder(uri: str, prefixes: tuple[str, ...]) -> Path:
    """A local folder with the objects under ``prefixes`` of ``uri``, downloaded unless they are there.

    Only for folders whose path carries a content hash: nothing in them ever changes. A local store is not copied.
    The copies lie under ``$MEDSEG_CACHE``, by default ``.medseg/cache`` where the process runs.
    """
    store = open_store(uri)
    local = store.local_path("")
    if local is not None:
        return local
    folder = cache_root() / hashlib.sha256(uri.encode()).hexdigest()[:16]
    for prefix in prefixes:
        store.get_folder(prefix, folder / prefix)
    return folder


def cached_file(uri: str) -> Path:
    """A local copy of one file of a store, downloaded unless this version of it is here; local files stay in place.

    Raises:
        NotFoundError: there is no such file.
    """
    store, key = store_of_file(uri)
    local = store.local_path(key)
    if local is not None:
        if not local.is_file():
            raise NotFoundError(f"{uri}: does not exist")
        return local
    version = next((item.etag for item in store.list(key) if item.key == key), None)
    if version is None:
        raise NotFoundError(f"{uri}: does not exist")
    path = cache_root() / hashlib.sha256(f"{uri} {version}".encode()).hexdigest()[:16] / key
    if not path.is_file():
        store.get_file(key, path)
    return path


def store_of_file(uri: str) -> tuple[Store, str]:
    """The store that a file lies in, by its URI or path, and its key there."""
    folder, slash, key = uri.rpartition("/")
    return open_store(folder or slash or "."), key


def cache_root() -> Path:
    """Folder for what can be fetched again."""
    return Path(os.environ.get("MEDSEG_CACHE", ".medseg/cache"))
