"""A finished data set becomes a page that shows what is in it."""

from __future__ import annotations

import logging

from medseg import artifacts
from medseg.artifacts import DATASET_FILE, INSPECT_FILE
from medseg.errors import StageError
from medseg.storage import open_store

log = logging.getLogger(__name__)


def inspect(dataset_uri: str, workers: int = 1) -> str:
    """Write ``inspect.html`` beside the data set and return its URI; it is made anew at every call.

    Args:
        workers: processes that read scans.

    Raises:
        StageError: there is no finished data set at the URI.
        DataError: one of its tables is damaged.
        StorageError: the store cannot be read or written.
    """
    # matplotlib and scipy need not be loaded where the page is already there
    from medseg.reporting.inspection.page import render
    from medseg.reporting.inspection.survey import survey

    store = open_store(dataset_uri)
    if not store.exists(DATASET_FILE):
        raise StageError(f"{dataset_uri}: holds no finished data set (no {DATASET_FILE}); run `medseg ingest` first")
    found = survey(dataset_uri, workers)
    for fault in found.faults:
        log.warning("inspect: %s", fault)
    store.put_bytes(INSPECT_FILE, render(found).encode())
    return artifacts.join(dataset_uri, INSPECT_FILE)


def page_of(dataset_uri: str, workers: int = 1) -> bytes:
    """The page of a data set, made only if it is not there yet: the version of a data set never changes."""
    store = open_store(dataset_uri)
    if not store.exists(INSPECT_FILE):
        inspect(dataset_uri, workers)
    return store.get_bytes(INSPECT_FILE)
