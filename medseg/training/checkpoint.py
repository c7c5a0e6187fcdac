"""Checkpoints that reach the store in the background and are there whole or not at all."""

from __future__ import annotations

import io
import pickle
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import torch

from medseg.artifacts import CHECKPOINT_BEST_FILE, CHECKPOINT_LAST_FILE
from medseg.errors import DataError, NotFoundError
from medseg.storage import Store


class Checkpoints:
    """The last and the best state of one training, as a context that waits for its uploads.

    SIGTERM comes too late to save anything on a cluster, so states are written while training goes on: the tensors
    are copied at once, the upload happens beside the next steps.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._uploader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: dict[str, Future[None]] = {}

    def save_last(self, state: dict[str, Any]) -> None:
        self.upload(CHECKPOINT_LAST_FILE, to_bytes(state))

    def save_best(self, state: dict[str, Any]) -> None:
        self.upload(CHECKPOINT_BEST_FILE, to_bytes(state))

    def upload(self, key: str, data: bytes) -> None:
        """Put one object in order after all earlier ones; an upload that failed is raised by the next call.

        Waits for an earlier upload of the same key: a store that is slower than training must not fill the memory.
        """
        self._raise_finished()
        if key in self._pending:
            self._pending.pop(key).result()
        self._pending[key] = self._uploader.submit(self._store.put_bytes, key, data)

    def load_last(self) -> dict[str, Any] | None:
        """The state to go on from, None where there is none."""
        return load(self._store, CHECKPOINT_LAST_FILE)

    def load_best(self) -> dict[str, Any] | None:
        return load(self._store, CHECKPOINT_BEST_FILE)

    def wait(self) -> None:
        for upload in self._pending.values():
            upload.result()
        self._pending.clear()

    def _raise_finished(self) -> None:
        for key in [key for key, upload in self._pending.items() if upload.done()]:
            self._pending.pop(key).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uploader.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            self.wait()


def to_bytes(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def load(store: Store, key: str) -> dict[str, Any] | None:
    """A stored state on the CPU, None where there is none.

    Raises:
        DataError: the file is damaged; names it and the next step.
    """
    try:
        data = store.get_bytes(key)
    except NotFoundError:
        return None
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, IndexError, ValueError, pickle.UnpicklingError) as error:
        raise DataError(f"{store.uri}/{key}: not a readable checkpoint ({error}); delete it to train anew") from error
