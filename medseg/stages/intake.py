"""What an ingest works on: a source, the layout that was recognised in it, its cases, and what is known of them."""

from __future__ import annotations

import logging
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tqdm import tqdm

from medseg.artifacts import DATASET_FILE, Modality
from medseg.config import DatasetConfig, Recipe, digest
from medseg.data.deidentification.identities import Identities
from medseg.data.deidentification.pseudonyms import Pseudonyms, load_key
from medseg.data.labels import Classes, Found, checked_classes, found_classes, values_of
from medseg.data.layouts import choose_layout
from medseg.data.layouts.cases_csv import apply_cases_csv
from medseg.data.layouts.listing import Layout, Listing, Reading, SourceCase
from medseg.data.ledger import printable
from medseg.data.source import Source
from medseg.errors import RecipeError, RejectedFileError
from medseg.pool import core_count, spread, worth
from medseg.stages.records import Records, read_lines
from medseg.stages.remote_source import RemoteSource
from medseg.storage import Store, open_store

log = logging.getLogger(__name__)

CODE_VERSION = 2  # raise when the same source gives other files
KEY_FOLDER = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "medseg"  # outlives any store
STATE = "state"
RECORDS_FILE, CATALOG_FILE = f"{STATE}/records.sqlite", f"{STATE}/catalog.sqlite"
IDENTITIES_FILE = f"{STATE}/identities.sqlite"  # digests alone
PARTS = "parts"
RECORD_PARTS, VOLUME_PARTS = f"{PARTS}/records", f"{PARTS}/volumes"
RARE_AMONG = 4  # references, of which a value in a single one is worth a warning


@dataclass(frozen=True)
class Recognised:
    """A source and the layout that was found in it."""

    config: DatasetConfig
    source: Source
    layout: Layout
    reason: str
    pseudonyms: Pseudonyms

    @cached_property
    def fingerprint(self) -> str:
        """Digest of everything that the data set is made from, without reading a file.

        Taken once: what arrives while the ingest reads must look like a change to the next one.
        """
        settings = self.config.model_dump(mode="json", exclude={"source": True, "version": True, "deidentify": {"key"}})
        start = digest([CODE_VERSION, settings, self.layout.name, self.pseudonyms.digest("fingerprint")], length=16)
        return self.source.fingerprint(start)


@dataclass
class Intake:
    """Everything that is known before the first case is read.

    Attributes:
        store: the folder ``datasets/<name>`` of the store.
        records: of earlier runs and of the parts of this one.
    """

    recognised: Recognised
    listing: Listing
    classes: Classes
    modality: Modality
    reading: Reading
    records: Records
    store: Store
    settings: str

    def told(self, text: str) -> str:
        """A text as it may be written and logged."""
        return printable(self.reading.identities.redact(text))

    def told_name(self, name: str) -> str:
        """The name of a file as it may be written and logged."""
        return self.recognised.layout.told_name(name, self.reading)

    @property
    def told_reason(self) -> str:
        """Why the layout was recognised; the file that it names as an example is left out where names may identify."""
        reason = self.recognised.reason
        return self.told(reason.partition(", such as ")[0] if self.recognised.layout.pseudonymous else reason)

    def key(self, found: SourceCase) -> str:
        """Digest of a case's files and of everything that shapes what is made of them."""
        shaped = [self.settings, self.classes, self.modality, found.case, found.patient, found.split, found.label]
        return digest([*shaped, _files_key(self.recognised, found)], length=20)


@contextmanager
def recognised(config: DatasetConfig) -> Iterator[tuple[Recognised, Path]]:
    """The recipe's source, and a scratch folder that goes in the end.

    Raises:
        DataError: the source is missing, empty or of no known layout.
        RecipeError: the recipe names no source, or no key for the pseudonyms that the layout needs.
    """
    if config.source is None:
        raise RecipeError("dataset.source: is missing; give the folder or s3:// prefix of the scans")
    with tempfile.TemporaryDirectory(prefix="medseg-ingest-") as folder:
        scratch = Path(folder)
        source = _source(config.source, scratch / "source")
        layout, reason = choose_layout(source, config)
        pseudonyms = Pseudonyms(load_key(config.deidentify, KEY_FOLDER) if layout.pseudonymous else b"")
        yield Recognised(config, source, layout, reason, pseudonyms), scratch


def open_intake(recipe: Recipe, found: Recognised, scratch: Path, store: Store) -> Intake:
    """List the cases and gather what earlier runs and other parts of this one know of them."""
    for key in (CATALOG_FILE, RECORDS_FILE, IDENTITIES_FILE):
        _fetch(store, key, scratch / Path(key).name)
    records = _records(store, scratch / Path(RECORDS_FILE).name)
    reading = Reading(
        pseudonyms=found.pseudonyms,
        identities=Identities(scratch / Path(IDENTITIES_FILE).name, found.pseudonyms),
        workers=recipe.workers or core_count(),
        catalog=scratch / Path(CATALOG_FILE).name,
        scratch=scratch,
    )
    listing = found.layout.read(found.source, reading)
    listing = apply_cases_csv(found.source, listing, reading if found.layout.pseudonymous else None)
    modality = listing.modality or "other" if found.config.modality == "auto" else found.config.modality
    left_out = dict.fromkeys(("name", "source", "version", "modality", "classes"), True)
    settings = found.config.model_dump(mode="json", exclude={**left_out, "deidentify": {"key"}})
    shaped = digest([CODE_VERSION, settings, found.layout.name], length=16)
    classes = _classes(found, listing, records, reading.workers, shaped)
    intake = Intake(found, listing, classes, modality, reading, records, store, shaped)
    log.info("ingest: layout %s: %s", found.layout.name, intake.told_reason)
    return intake


def _source(uri: str, scratch: Path) -> Source:
    return RemoteSource(uri, scratch) if uri.startswith("s3://") else Source(Path(uri))


def _records(store: Store, path: Path) -> Records:
    """What the last version was made from, and what parts have read since; only where the volumes are still there."""
    records = Records(path)
    records.forget_unless(lambda version: store.exists(f"{version}/{DATASET_FILE}"))
    written = {item.key for item in store.list(f"{VOLUME_PARTS}/")}
    for item in store.list(f"{RECORD_PARTS}/"):
        found = read_lines(store.get_bytes(item.key))
        records.add(record for record in found if all(f"{record.base}/{key}" in written for key in record.volumes))
    return records


def _fetch(store: Store, key: str, path: Path) -> None:
    if store.exists(key):
        store.get_file(key, path)


def _files_key(found: Recognised, case: SourceCase) -> str:
    names = (*case.images, *case.references)
    entries = [found.source.entry(name) for name in names]
    return found.pseudonyms.digest(*(text for entry in entries for text in (entry.name, str(entry.size), entry.tag)))


def _classes(found: Recognised, listing: Listing, records: Records, workers: int, shaped: str) -> Classes:
    if found.config.classes is not None:
        return checked_classes(found.config.classes, "dataset.classes")
    if listing.classes is not None or listing.task != "segmentation":
        return listing.classes or {}
    counts = _found_values(found, listing, records, workers, shaped)
    references_with: Counter[int] = Counter()
    for values, count in counts.items():
        references_with.update(dict.fromkeys(values.values, count))
    rare = [value for value, count in sorted(references_with.items()) if count == 1 and listing.count >= RARE_AMONG]
    listing.warnings.extend(
        f"value {value} occurs in one of {listing.count} references alone: a class of its own, or a mistake?"
        for value in rare
    )
    return found_classes(counts)


def _found_values(found: Recognised, listing: Listing, records: Records, workers: int, shaped: str) -> Counter[Found]:
    """How many references hold which values; those that an earlier run looked at are not read again."""
    counts: Counter[Found] = Counter()

    def unread() -> Iterator[tuple[str, SourceCase]]:
        for case in listing.cases:
            key = digest([shaped, _files_key(found, case)], length=20)
            if (known := records.found(key)) is None:
                yield key, case
            else:
                counts[known] += 1

    results = spread(_look_at, unread(), worth(workers, listing.count), _hold, (found.layout, found.source))
    for key, values in tqdm(results, desc="classes", unit="case", total=listing.count, disable=None):
        if values is not None:
            records.add_found(key, values)
            counts[values] += 1
    return counts


_held: list[tuple[Layout, Source]] = []


def _hold(layout: Layout, source: Source) -> None:
    _held[:] = [(layout, source)]


def _look_at(task: tuple[str, SourceCase]) -> tuple[str, Found | None]:
    key, case = task
    layout, source = _held[0]
    try:
        found = values_of(layout.load_reference(source, case, None))
    except RejectedFileError:  # met again, and listed, when the case itself is read
        found = None
    source.release(*case.references)
    return key, found


def cases_of(intake: Intake) -> Iterable[tuple[str, SourceCase]]:
    """Every case with its key."""
    return ((intake.key(case), case) for case in intake.listing.cases)


def dataset_store(store_uri: str, name: str) -> Store:
    return open_store(f"{store_uri.rstrip('/')}/datasets/{name}")
