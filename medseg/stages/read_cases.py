"""The heavy half of ingest: cases are read, checked, searched for identities and written, by several processes."""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from medseg.artifacts import Modality
from medseg.data.canonical import CanonicalCase, read_case
from medseg.data.deidentification.identities import find_in
from medseg.data.formats.nifti import compressed, header_bytes, plain_nifti
from medseg.data.labels import Classes
from medseg.data.layouts.listing import Layout, SourceCase
from medseg.data.source import Source
from medseg.errors import DataError, RejectedFileError
from medseg.pool import spread, worth
from medseg.stages.intake import RECORD_PARTS, VOLUME_PARTS, Intake, cases_of
from medseg.stages.parts import Part
from medseg.stages.records import CaseRecord
from medseg.storage import Store, open_store

log = logging.getLogger(__name__)

SAVE_S = 30.0  # a killed ingest reads at most the cases of this time again
SAVE_RECORDS = 500


def read_part(intake: Intake, part: Part) -> None:
    """Read every case of a part that no earlier run has read; what is done lasts, also if this process is killed."""
    found = intake.recognised
    shared = frozenset(intake.listing.metadata)
    desk = _Desk(found.layout, found.source, intake.classes, intake.modality, intake.store.uri, shared)
    todo = ((key, case) for key, case in cases_of(intake) if part.owns(key) and key not in intake.records)
    workers = worth(intake.reading.workers, intake.listing.count // part.count)
    results = spread(_read, todo, workers, _sit_down, (desk,))
    total = intake.listing.count if part.count == 1 else None
    saver = _Saver(intake, part)
    try:
        for record in tqdm(results, desc="ingest", unit="case", total=total, disable=None):
            saver.add(record)
    finally:
        saver.save()


class _Saver:
    """Puts records into the store every now and then."""

    def __init__(self, intake: Intake, part: Part) -> None:
        self._intake = intake
        self._name = f"{part.index}-of-{part.count}"
        self._waiting: list[CaseRecord] = []
        self._saved = time.monotonic()

    def add(self, record: CaseRecord) -> None:
        self._waiting.append(self._without_identities(record))
        if len(self._waiting) >= SAVE_RECORDS or time.monotonic() - self._saved > SAVE_S:
            self.save()

    def save(self) -> None:
        if self._waiting:
            lines = "\n".join(record.model_dump_json() for record in self._waiting)
            key = f"{RECORD_PARTS}/{self._name}-{uuid.uuid4().hex[:12]}.jsonl"
            self._intake.store.put_bytes(key, lines.encode())
            self._intake.records.add(self._waiting)
        self._waiting, self._saved = [], time.monotonic()

    def _without_identities(self, record: CaseRecord) -> CaseRecord:
        redact = self._intake.reading.identities.redact
        warnings = tuple(redact(warning) for warning in record.warnings)
        return record.model_copy(update={"reason": redact(record.reason), "warnings": warnings})


@dataclass(frozen=True)
class _Desk:
    """What a process needs to read cases.

    Attributes:
        shared: files that many cases are read from.
    """

    layout: Layout
    source: Source
    classes: Classes
    modality: Modality
    store_uri: str
    shared: frozenset[str]


_seat: list[tuple[_Desk, Store]] = []


def _sit_down(desk: _Desk) -> None:
    _seat[:] = [(desk, open_store(desk.store_uri))]


def _read(task: tuple[str, SourceCase]) -> CaseRecord:
    key, found = task
    desk, store = _seat[0]
    try:
        case = read_case(desk.layout, desk.source, found, desk.classes, desk.modality)
    except RejectedFileError as error:
        at_fault = _number(error.path, desk.source, found)
        return CaseRecord(key=key, code=error.code, reason=error.reason, at_fault=at_fault)
    finally:
        desk.source.release(*({*found.images, *found.references} - desk.shared))
    _search_facts(case)
    base = f"{VOLUME_PARTS}/{key}"
    return CaseRecord(
        key=key,
        base=base,
        case=case.case,
        channels=len(case.loaded.image.array),
        volumes=dict(_write(case, store, base)),
        removed=case.loaded.removed,
        warnings=case.warnings,
    )


def _write(case: CanonicalCase, store: Store, base: str) -> Iterator[tuple[str, str]]:
    """Digests are of the plain bytes: how they are compressed may change with library and processor."""
    for key, array in case.volumes():
        plain = plain_nifti(array, case.loaded.image.affine)
        _search(case, header_bytes(plain), text=False)
        with ThreadPoolExecutor(1) as thread:
            digest = thread.submit(hashlib.sha256, plain)
            store.put_bytes(f"{base}/{key}", compressed(plain))
            yield key, digest.result().hexdigest()


def _search_facts(case: CanonicalCase) -> None:
    facts = "\n".join(f"{name}: {value}" for name, value in case.case.facts.items())
    _search(case, facts.encode(), text=True)


def _search(case: CanonicalCase, data: bytes, text: bool) -> None:
    if find_in(data, case.loaded.identities, text):
        raise DataError(
            f"case {case.case.case}: what was to be written still holds an identifying string of its files; nothing"
            " of it was written. This is a fault of medseg: please report the kind of file"
        )


def _number(path: Path | None, source: Source, found: SourceCase) -> int | None:
    names = (*found.images, *found.references)
    places = [number for number, name in enumerate(names) if path is not None and source.path_of(name) == path]
    return places[0] if places else None
