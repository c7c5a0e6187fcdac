"""Headers of a whole source read by several processes into the catalog; only files that it does not know yet."""

from __future__ import annotations

from collections.abc import Iterator

from tqdm import tqdm

from medseg.data.deidentification.identities import Identities
from medseg.data.deidentification.pseudonyms import Pseudonyms
from medseg.data.dicom.catalog import Catalog, StoredRecord, packed
from medseg.data.dicom.clerk import Clerk
from medseg.data.source import Source
from medseg.pool import spread, worth

CHUNK = 64  # files per task: slices of one series mostly, which share most of their headers
FILES_PER_WORKER = 512  # a header takes a fraction of a millisecond

Task = list[tuple[str, str, int]]  # key, name and size of files

_desk: list[tuple[Source, Pseudonyms]] = []


def index_files(source: Source, catalog: Catalog, pseudonyms: Pseudonyms, identities: Identities, workers: int) -> None:
    """Bring the catalog up to date with a source."""
    count = catalog.take(source.entries(), pseudonyms)
    workers = worth(workers, count, FILES_PER_WORKER)
    results = spread(_read, _tasks(catalog), workers, _sit_down, (source, pseudonyms))
    with tqdm(desc="index", unit="file", total=count, disable=None if count else True) as progress:
        for records, found in results:
            identities.add(found)
            catalog.add(records)
            progress.update(len(records))


def _tasks(catalog: Catalog) -> Iterator[Task]:
    task: Task = []
    for entry in catalog.unread():
        task.append(entry)
        if len(task) == CHUNK:
            yield task
            task = []
    if task:
        yield task


def _sit_down(source: Source, pseudonyms: Pseudonyms) -> None:
    _desk[:] = [(source, pseudonyms)]


def _read(task: Task) -> tuple[list[tuple[str, StoredRecord]], set[str]]:
    clerk = Clerk(*_desk[0])
    records = [(key, packed(clerk.record(name, size))) for key, name, size in task]
    return records, clerk.identities
