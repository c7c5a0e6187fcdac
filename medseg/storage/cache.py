"""Local copies of finished, never changing folders of the store, shared by all processes of one machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from medseg.storage.store import open_store


def cached_folder(uri: str, prefixes: tuple[str, ...]) -> Path:
    """A local folder with the objects under ``prefixes`` of ``uri``, downloaded unless they are there.

    Only for folders whose path carries a content hash: nothing in them ever changes. A local store is not copied.
    The copies lie under ``$MEDSEG_CACHE``, by default ``.medseg/cache`` where the process runs.
    """
    store = open_store(uri)
    local = store.local_path("")
    if local is not None:
        return local
    root = Path(os.environ.get("MEDSEG_CACHE", ".medseg/cache"))
    folder = root / hashlib.sha256(uri.encode()).hexdigest()[:16]
    for prefix in prefixes:
        store.get_folder(prefix, folder / prefix)
    return folder
