"""nnU-Net's results folder in the store: what a killed training goes on from."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from medseg.storage import Store
from medseg.training.nnunet.messages import MODEL_FILE, PARTIAL

PREFIX = "nnunet"


class Mirror:
    """The results folder as ``nnunet/`` of a unit, as a context that waits for its last upload.

    nnU-Net writes its checkpoints into the folder, where they would go with the pod. They are uploaded while training
    goes on; an upload that failed is raised by the next one.
    """

    def __init__(self, store: Store, results: Path) -> None:
        self._store = store
        self._results = results
        self._uploader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nnunet-mirror")
        self._upload: Future[None] | None = None

    def fetch(self) -> bool:
        """Bring back what an earlier session left; whether there is a checkpoint to go on from."""
        self._store.get_folder(PREFIX, self._results)
        return any(self._results.rglob("checkpoint_*.pth"))

    def push(self) -> None:
        """Upload the folder in the background; left out while an upload is under way."""
        if self._upload is not None:
            if not self._upload.done():
                return
            self._upload.result()
        self._upload = self._uploader.submit(self._put)

    def finish(self) -> None:
        """Upload the folder as it is in the end, and remove what is no longer in it."""
        self._wait()
        self._put()
        for item in self._store.list(f"{PREFIX}/"):
            if not (self._results / item.key.removeprefix(f"{PREFIX}/")).is_file():
                self._store.delete(item.key)

    def _put(self) -> None:
        """Upload copies: nnU-Net may replace a file while it is sent."""
        with tempfile.TemporaryDirectory(prefix="nnunet-", dir=self._results.parent) as scratch:
            snapshot = Path(scratch)
            for path in self._results.rglob("*"):
                if path.is_file() and path.suffix != PARTIAL and path.name != MODEL_FILE:
                    copy = snapshot / path.relative_to(self._results)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    with contextlib.suppress(FileNotFoundError):  # the next upload has what came in its place
                        shutil.copy(path, copy)
            self._store.put_folder(snapshot, PREFIX)

    def _wait(self) -> None:
        if self._upload is not None:
            self._upload.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uploader.shutdown(wait=True)
        if kind is None:
            self._wait()
