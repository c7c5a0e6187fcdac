"""The last step of ingest: all cases that were read become one finished version of the data set."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from medseg.artifacts import (
    AUDIT_FILE,
    CASES_FILE,
    DATASET_FILE,
    INGEST_FILE,
    REJECTED_FILE,
    Dataset,
    IngestSummary,
)
from medseg.data.canonical import Overview, describe_dataset
from medseg.data.cases import write_cases
from medseg.data.deidentification.deidentify import profile_name
from medseg.data.layouts.listing import SourceCase
from medseg.data.ledger import Ledger
from medseg.errors import DataError, StageError
from medseg.stages.intake import (
    CATALOG_FILE,
    IDENTITIES_FILE,
    PARTS,
    RECORD_PARTS,
    RECORDS_FILE,
    Intake,
    cases_of,
)
from medseg.stages.records import CaseRecord, Records, read_lines
from medseg.storage.store import in_parallel
from medseg.types import Case

log = logging.getLogger(__name__)

SHOWN = 5  # warnings that are told one by one
FOLLOWING = ("case-rejected", "not-part-of-layout")  # codes of files that are not at fault themselves
KEPT_WARNINGS = 200
BLOCK_BYTES, BLOCK_ROWS = 2**18, 1000


def publish(intake: Intake) -> str:
    """Write the data set's files, check them for identities, and return the version.

    Raises:
        StageError: a case was not read yet.
        DataError: there is no usable case or no class, or an identity would be left in what is written.
    """
    draft = _Draft(intake)
    draft.gather()
    folder = intake.reading.scratch / "dataset"
    folder.mkdir()
    version = draft.write(folder)
    if not intake.store.exists(f"{version}/{DATASET_FILE}"):
        _copy_volumes(draft, version)
        intake.store.put_folder(folder, prefix=version, marker=DATASET_FILE)
    _remember(draft, version)
    return version


class _Draft:
    """A version that is being put together.

    Attributes:
        kept: records of this version, accepted or not.
    """

    def __init__(self, intake: Intake) -> None:
        scratch = intake.reading.scratch
        self.intake = intake
        self.kept = Records(scratch / "kept.sqlite")
        self._telling: dict[str, bool] = {}
        self.ledger = Ledger(scratch / "ledger.sqlite", intake.told_name)
        self.warnings: list[str] = []
        self.warned = 0
        self._warn(intake.listing.warnings)
        self.overview = Overview(channels=self._channels(), channel_names=intake.listing.channel_names)

    @property
    def accepted(self) -> Iterator[tuple[Case, CaseRecord]]:
        """Cases of this version and their records, read from disk again each time."""
        return ((record.case, record) for record in self.kept.all() if record.case)

    def gather(self) -> None:
        """Give every file its fate and every case its record."""
        missing = 0
        self.ledger.keep(self.intake.listing.metadata)
        self.ledger.reject(self.intake.listing.rejected)
        for key, found in cases_of(self.intake):
            record = self.intake.records.get(key)
            if record is None:
                missing += 1
            else:
                self._take(found, record)
        if missing:
            raise StageError(
                f"{self.intake.recognised.source}: {missing} of {self.intake.listing.count} cases are not read yet, or"
                " changed since; run `medseg ingest --shard i/n` for every i from 1 to n before `--merge`"
            )
        self.ledger.close(self.intake.recognised.source)
        self._tell()
        if not self.overview.cases:
            self._refuse()
        if not self.intake.classes and self.intake.listing.task != "prediction":
            raise DataError(
                f"{self.intake.recognised.source}: references hold nothing but background; at least one class is needed"
            )

    def _take(self, found: SourceCase, record: CaseRecord) -> None:
        if record.case and record.channels != self.overview.channels:
            reason = f"image has {record.channels} channels, the data set has {self.overview.channels}"
            record = CaseRecord(key=record.key, code="channel-count", reason=reason)
            self.ledger.reject_case(found, record.error, None)
            return  # not kept: another archive may have another number of channels
        if record.case:
            record = record.model_copy(update={"case": self._without_telling_facts(record.case)})
        self.kept.add([record])
        if record.case is None:
            names = (*found.images, *found.references)
            self.ledger.reject_case(found, record.error, None if record.at_fault is None else names[record.at_fault])
            return
        self.ledger.accept_case(found)
        self.overview.add(record.case)
        self._warn(f"{found.case}: {warning}" for warning in record.warnings)

    def _warn(self, warnings: Iterable[str]) -> None:
        for warning in warnings:
            self.warned += 1
            if self.warned <= KEPT_WARNINGS:
                self.warnings.append(warning)

    def _without_telling_facts(self, case: Case) -> Case:
        """Leave out facts in which an identity of any patient stands, such as a scanner called like somebody."""
        for text in set(case.facts.values()) - set(self._telling):
            self._telling[text] = bool(self.intake.reading.identities.find(text.encode()))
        return replace(case, facts={name: text for name, text in case.facts.items() if not self._telling[text]})

    def _channels(self) -> int:
        """As the modality or the source says, else of most cases."""
        if self.intake.modality == "rgb":
            return 3
        if self.intake.listing.channel_names:
            return len(self.intake.listing.channel_names)
        found = {record.channels for record in self.intake.records.all() if record.case}
        if len(found) <= 1:  # as nearly always: no need to look which of the records are of this source
            return found.pop() if found else 1
        counts: Counter[int] = Counter()
        for key, _ in cases_of(self.intake):
            if (record := self.intake.records.get(key)) and record.case:
                counts[record.channels] += 1
        return max(counts, key=lambda channels: (counts[channels], -channels), default=1)

    def write(self, folder: Path) -> str:
        """Write every file but the volumes and return the version, a digest of all content."""
        intake = self.intake
        self.ledger.write_csv(folder / REJECTED_FILE, intake.told)
        (folder / INGEST_FILE).write_bytes(self._summary().to_bytes())
        (folder / CASES_FILE).write_bytes(write_cases(case for case, _ in self.accepted))
        self._write_audit(folder / AUDIT_FILE)
        dataset = describe_dataset(
            intake.recognised.config,
            intake.recognised.layout.name,
            intake.listing.task,
            intake.modality,
            intake.classes,
            self.overview,
        )
        (folder / DATASET_FILE).write_bytes(dataset.to_bytes())
        self._search(folder, dataset)
        version = self._content_hash(folder)
        (folder / DATASET_FILE).write_bytes(dataset.model_copy(update={"version": version}).to_bytes())
        return version

    def _write_audit(self, path: Path) -> None:
        profile = profile_name(self.intake.recognised.config.deidentify)
        with path.open("w", encoding="utf-8") as file:
            for case, record in self.accepted:
                line = {"case": case.case, "profile": profile, "removed": dict(record.removed)}
                file.write(json.dumps(line) + "\n")

    def _search(self, folder: Path, dataset: Dataset) -> None:
        """The last search for identities; what is found is told by its place, not by its value."""
        for name, block in self._written(folder):
            if found := self.intake.reading.identities.find(block):
                raise DataError(
                    f"{dataset.name}: {name} would hold {len(found)} identifying strings of the source, so nothing was"
                    " written. Names of files, classes and of the data set must not identify anybody; rename them, or"
                    " give dataset.deidentify.key so that names become pseudonyms"
                )

    def _written(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        """Every text of the version in blocks of whole lines: an archive's audit record is large."""
        for path in sorted(path for path in folder.iterdir() if path.name != CASES_FILE):
            with path.open("rb") as file:
                while lines := file.readlines(BLOCK_BYTES):
                    yield path.name, b"".join(lines)
        texts = (_text(case) for case, _ in self.accepted)  # Parquet packs them
        while rows := list(islice(texts, BLOCK_ROWS)):
            yield CASES_FILE, "\n".join(rows).encode()

    def _content_hash(self, folder: Path) -> str:
        """sha256 over the sorted names and digests of all files, 16 digits of it."""
        total = hashlib.sha256()
        for path in sorted(folder.iterdir()):
            with path.open("rb") as file:
                total.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\0".encode())
        for _, record in self.accepted:
            for key, digest in sorted(record.volumes.items()):
                total.update(f"{key}\0{digest}\0".encode())
        return total.hexdigest()[:16]

    def _summary(self) -> IngestSummary:
        rejected = self.ledger.by_code()
        warnings = [self.intake.told(warning) for warning in self.warnings]
        if self.warned > KEPT_WARNINGS:
            warnings.append(f"… and {self.warned - KEPT_WARNINGS} more warnings")
        return IngestSummary(
            layout=self.intake.recognised.layout.name,
            layout_reason=self.intake.told_reason,
            files_seen=self.ledger.seen,
            files_accepted=self.ledger.seen - sum(rejected.values()),
            files_rejected=sum(rejected.values()),
            cases=self.overview.cases,
            rejected_by_code=rejected,
            warnings=warnings,
        )

    def _tell(self) -> None:
        for warning in self.warnings[:SHOWN]:
            log.warning("ingest: %s", self.intake.told(warning))
        for line in self._left_out():
            log.warning("ingest: left out %s", line)
        log.info("ingest: %d cases", self.overview.cases)

    def _refuse(self) -> None:
        path = self.intake.reading.scratch / REJECTED_FILE
        self.ledger.write_csv(path, self.intake.told)
        self.intake.store.put_file(path, f"refused/{REJECTED_FILE}")
        lines = "\n".join(f"  {line}" for line in self._left_out())
        raise DataError(
            f"{self.intake.recognised.source}: no usable case in {self.ledger.seen} files:\n{lines}\n"
            f"All reasons: {self.intake.store.uri}/refused/{REJECTED_FILE}; `medseg layouts` says how scans may lie"
        )

    def _left_out(self) -> Iterator[str]:
        """One line per reason, those that a file is itself at fault for first."""
        for first, count in sorted(self.ledger.examples(), key=lambda row: row[0].code in FOLLOWING):
            example = f"{first.path}: {self.intake.told(first.reason)}"
            yield f"{count} x {first.code}, such as {example}"


def _text(case: Case) -> str:
    return " ".join((case.case, case.patient, case.split, case.label, *case.facts.values()))


def _copy_volumes(draft: _Draft, version: str) -> None:
    store = draft.intake.store
    copies = (
        (f"{record.base}/{key}", f"{version}/{key}") for _, record in draft.accepted for key in sorted(record.volumes)
    )
    progress = tqdm(copies, desc="publish", unit="file", disable=None)
    in_parallel(lambda copy: store.copy(*copy), progress)


def _remember(draft: _Draft, version: str) -> None:
    """Keep what this ingest knows for the next one, and drop the parts that the version was made from."""
    store, scratch = draft.intake.store, draft.intake.reading.scratch
    state = Records(scratch / "state.sqlite")
    for record in draft.kept.all():
        state.add([record.model_copy(update={"base": version}) if record.case else record])
    state.copy_found(draft.intake.records)
    state.close()
    store.put_file(scratch / "state.sqlite", RECORDS_FILE)
    draft.intake.reading.identities.close()
    if (digests := scratch / Path(IDENTITIES_FILE).name).exists():
        store.put_file(digests, IDENTITIES_FILE)
    if (catalog := draft.intake.reading.catalog).exists():
        store.put_file(catalog, CATALOG_FILE)
    _drop_parts(draft)


def _drop_parts(draft: _Draft) -> None:
    """Parts that this version was made from may go; those of other settings, and of shards that still run, stay."""
    store = draft.intake.store
    volumes = (
        f"{record.base}/{key}"
        for _, record in draft.accepted
        if record.base.startswith(f"{PARTS}/")
        for key in record.volumes
    )
    in_parallel(store.delete, volumes)
    for item in store.list(f"{RECORD_PARTS}/"):
        if all(record.key in draft.kept for record in read_lines(store.get_bytes(item.key))):
            store.delete(item.key)
