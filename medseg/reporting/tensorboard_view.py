"""A folder of this machine that follows the event files of a store's runs, for TensorBoard to read."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from medseg import artifacts
from medseg.storage import Store, StoredObject, open_store
from medseg.storage.embedded import FOLDER_VARIABLE
from medseg.storage.store import in_parallel


def view_command(run_uri: str) -> str:
    """What a person types to see a run; the store on this machine need not be named."""
    store = [] if FOLDER_VARIABLE in os.environ else ["--store", artifacts.store_uri_of_run(run_uri)]
    return shlex.join(["medseg", "tensorboard", artifacts.run_id(run_uri), *store])


class TensorBoardView:
    """A folder ``<run>/<model>/seed-<s>/fold-<f>/`` for every training: its curves, and what a report says of it.

    TensorBoard reads a file from where it stopped and never looks back. So a training's file, which only grows, gets
    what it lacks at its end; a report's file, which is written anew, gets a new name whenever its content changes.

    Args:
        runs: their ids; none shows every run, also one that begins later.
        folder: exists and is empty.
    """

    def __init__(self, store_uri: str, runs: Sequence[str], folder: Path) -> None:
        self._store: Store = open_store(artifacts.join(store_uri, "runs"))
        self._prefixes = [f"{run}/" for run in runs] or [""]
        self._folder = folder
        self.log_folder = folder / runs[0] if len(runs) == 1 else folder

    def renew(self) -> int:
        """Fetch what is new in the store, remove what has gone from it, and return how many trainings there are.

        Raises:
            StorageError: the store cannot be read; what is here stays.
        """
        items = [item for prefix in self._prefixes for item in self._store.list(prefix)]
        wanted = {path: item for item in items if (path := self._path(item))}
        for path in self._folder.rglob("*tfevents*"):
            if path not in wanted:
                path.unlink()
        in_parallel(lambda pair: self._fetch(*pair), wanted.items())
        return len({path.parent for path in wanted} - {path.parent for path in wanted if path.parent.name == "report"})

    def _path(self, item: StoredObject) -> Path | None:
        """Where a file is shown; None for all that is no event file."""
        match item.key.split("/"):
            case [run, "report", "tensorboard", *unit, name]:
                version = hashlib.sha256(item.etag.encode()).hexdigest()[:8]
                return self._folder.joinpath(run, *(unit or ["report"]), f"{name}.{version}")
            case [run, *unit, "tensorboard", name]:
                return self._folder.joinpath(run, *unit, name)
        return None

    def _fetch(self, path: Path, item: StoredObject) -> None:
        here = path.stat().st_size if path.exists() else 0
        if here >= item.size:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(self._store.read_range(item.key, here, item.size - here))
