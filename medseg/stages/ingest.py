"""Raw scans become a canonical data set in the store: every input file accepted, or listed with its reason."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from medseg import artifacts
from medseg.artifacts import CASES_FILE, DATASET_FILE, INGEST_FILE, REJECTED_FILE, IngestSummary, Modality
from medseg.config import DatasetConfig, Recipe, digest
from medseg.data.canonical import content_hash, describe_dataset, write_case
from medseg.data.cases import write_cases
from medseg.data.labels import Classes, checked_classes
from medseg.data.layouts import Layout, Listing, Rejection, Source, choose_layout, describe_layouts
from medseg.data.layouts.cases_csv import apply_cases_csv
from medseg.data.ledger import Ledger
from medseg.errors import DataError, RecipeError, RejectedFileError, StageError
from medseg.storage import Store, open_store
from medseg.types import Case

log = logging.getLogger(__name__)

CODE_VERSION = 1  # raise when the same source gives other files
SHOWN = 5  # rejections and warnings that are told one by one


class _Pointer(artifacts.Artifact):
    """From what a source looked like to the version made from it."""

    version: str


@dataclass
class _Result:
    """What the cases of a source came to."""

    cases: list[Case] = field(default_factory=list)
    channels: int | None = None
    warnings: list[str] = field(default_factory=list)


def ingest(recipe: Recipe, store_uri: str) -> str:
    """Ingest ``dataset.source`` and return the URI of the data set; an unchanged source is not read again.

    Raises:
        DataError: the source is missing, empty, of no known layout, or holds no usable case.
        RecipeError: the recipe names no source.
        StageError: ``dataset.version`` is not in the store.
    """
    config = recipe.dataset
    store = open_store(store_uri)
    if config.version:
        return _finished_version(store, store_uri, config)
    pointer = artifacts.source_key(config.name, _fingerprint(config))
    if version := _pointed_version(store, pointer, config.name):
        uri = artifacts.dataset_uri(store_uri, config.name, version)
        log.info("ingest: %s is unchanged, its data set is %s", config.source, uri)
        return uri
    with tempfile.TemporaryDirectory(prefix="medseg-ingest-") as scratch:
        source = Source.of_folder(_local_source(config, Path(scratch, "source")))
        folder = Path(scratch, "dataset")
        version = _build(config, source, folder, store)
        prefix = f"datasets/{config.name}/{version}"
        if not store.exists(f"{prefix}/{DATASET_FILE}"):
            store.put_folder(folder, prefix=prefix, marker=DATASET_FILE)
    store.put_bytes(pointer, _Pointer(version=version).to_bytes())
    uri = artifacts.dataset_uri(store_uri, config.name, version)
    log.info("ingest: wrote %s", uri)
    return uri


def find_dataset(recipe: Recipe, store_uri: str) -> str:
    """URI of the finished data set of the recipe's source, without ingesting anything.

    Raises:
        StageError: it is not ingested yet, or the source has changed since; names the next step.
    """
    config = recipe.dataset
    store = open_store(store_uri)
    if config.version:
        return _finished_version(store, store_uri, config)
    version = _pointed_version(store, artifacts.source_key(config.name, _fingerprint(config)), config.name)
    if version is None:
        raise StageError(
            f"{config.source}: not ingested into {store_uri} as {config.name!r}, or changed since; run `medseg ingest`"
            " first, or name a finished version with --set dataset.version=VERSION"
        )
    return artifacts.dataset_uri(store_uri, config.name, version)


def describe(dataset_uri: str) -> str:
    """What an ingest took and what it left out, as Markdown that also reads well in a terminal."""
    store = open_store(dataset_uri)
    summary = IngestSummary.from_bytes(store.get_bytes(INGEST_FILE), f"{dataset_uri}/{INGEST_FILE}")
    lines = [
        f"Layout `{summary.layout}`: found {summary.layout_reason}",
        f"{summary.cases} cases from {summary.files_accepted} of {summary.files_seen} files",
        *(f"left out: {count} x {code}" for code, count in summary.rejected_by_code.items()),
        *(f"warning: {warning}" for warning in summary.warnings[:SHOWN]),
    ]
    return "\n".join(f"- {line}" for line in lines) + "\n"


def _finished_version(store: Store, store_uri: str, config: DatasetConfig) -> str:
    uri = artifacts.dataset_uri(store_uri, config.name, str(config.version))
    if not store.exists(f"datasets/{config.name}/{config.version}/{DATASET_FILE}"):
        keys = [item.key.split("/") for item in store.list(f"datasets/{config.name}/")]
        there = ", ".join(sorted({key[2] for key in keys if len(key) == 4 and key[3] == DATASET_FILE})) or "none"
        raise StageError(
            f"{uri}: no such finished data set; versions of {config.name!r}: {there}. Leave dataset.version out to"
            " ingest dataset.source"
        )
    return uri


def _fingerprint(config: DatasetConfig) -> str:
    """Hash of everything that the data set is made from, without reading a file."""
    if config.source is None:
        raise RecipeError("dataset.source: is missing; give the folder or s3:// prefix of the scans")
    settings = config.model_dump(mode="json", exclude={"source", "version"})
    if _is_remote(config.source):
        entries = [[item.key, item.size, item.etag] for item in open_store(config.source).list()]
        if not entries:
            raise DataError(f"{config.source}: holds no object; dataset.source must be the prefix that holds the scans")
    else:
        source = Source.of_folder(Path(config.source))
        stats = [(name, source.path(name).stat()) for name in source.files]
        entries = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
        entries += [[name, 0, 0] for name in source.others]
    return digest([CODE_VERSION, settings, entries], length=16)


def _is_remote(source: str) -> bool:
    return source.startswith("s3://")


def _pointed_version(store: Store, pointer: str, name: str) -> str | None:
    if not store.exists(pointer):
        return None
    version = _Pointer.from_bytes(store.get_bytes(pointer), pointer).version
    return version if store.exists(f"datasets/{name}/{version}/{DATASET_FILE}") else None


def _local_source(config: DatasetConfig, folder: Path) -> Path:
    source = str(config.source)
    if not _is_remote(source):
        return Path(source)
    open_store(source).get_folder("", folder)
    return folder


def _build(config: DatasetConfig, source: Source, folder: Path, store: Store) -> str:
    """Write the whole data set to a local folder and return its version."""
    layout, reason = choose_layout(source, config.layout)
    log.info("ingest: layout %s: found %s", layout.name, reason)
    listing = apply_cases_csv(source, layout.read(source))
    modality = listing.modality or "other" if config.modality == "auto" else config.modality
    classes = _classes(config, layout, listing)
    ledger = Ledger(source)
    ledger.accept(*listing.metadata)
    ledger.reject(*listing.rejected)
    for subfolder in ("images", "labels"):
        (folder / subfolder).mkdir(parents=True)
    result = _write_cases(layout, listing, classes, modality, folder, ledger)
    ledger.close()
    _tell(ledger, result)
    if not result.cases:
        _refuse(config, source, ledger, store)
    if not classes:
        raise DataError(f"{source.root}: references hold nothing but background; at least one class is needed")
    summary = _summary(layout, reason, ledger, result)
    (folder / INGEST_FILE).write_bytes(summary.to_bytes())
    (folder / REJECTED_FILE).write_bytes(ledger.to_csv())
    (folder / CASES_FILE).write_bytes(write_cases(result.cases))
    dataset = describe_dataset(
        config.name, layout.name, modality, classes, result.cases, listing.channel_names, result.channels or 1
    )
    (folder / DATASET_FILE).write_bytes(dataset.to_bytes())
    version = content_hash(folder)
    (folder / DATASET_FILE).write_bytes(dataset.model_copy(update={"version": version}).to_bytes())
    return version


def _classes(config: DatasetConfig, layout: Layout, listing: Listing) -> Classes:
    if config.classes is not None:
        return checked_classes(config.classes, "dataset.classes")
    return layout.find_classes(listing)


def _write_cases(
    layout: Layout, listing: Listing, classes: Classes, modality: Modality, folder: Path, ledger: Ledger
) -> _Result:
    """Write one case after the other; what is wrong with one leaves the others alone."""
    named = len(listing.channel_names) if listing.channel_names else None
    result = _Result(channels=3 if modality == "rgb" else named, warnings=list(listing.warnings))
    for source_case in tqdm(listing.cases, desc="ingest", unit="case", disable=None):
        try:
            written = write_case(layout, source_case, folder, classes, modality, result.channels)
        except RejectedFileError as error:
            ledger.reject_case(source_case, error)
            continue
        result.channels = written.channels
        result.cases.append(written.case)
        result.warnings.extend(f"{source_case.case}: {warning}" for warning in written.warnings)
        ledger.accept_case(source_case)
    return result


def _tell(ledger: Ledger, result: _Result) -> None:
    for warning in result.warnings[:SHOWN]:
        log.warning("ingest: %s", warning)
    rejected = ledger.rejected
    for line in rejected[:SHOWN]:
        log.warning("ingest: left out %s", _line(line))
    if len(rejected) > SHOWN:
        log.warning("ingest: left out %d of %d files: %s", len(rejected), ledger.seen, _counts(ledger))
    log.info("ingest: %d cases", len(result.cases))


def _line(rejection: Rejection) -> str:
    return f"{rejection.path}: {rejection.code}: {rejection.reason}"


def _counts(ledger: Ledger) -> str:
    return ", ".join(f"{count} {code}" for code, count in ledger.by_code().items())


def _refuse(config: DatasetConfig, source: Source, ledger: Ledger, store: Store) -> None:
    key = f"datasets/{config.name}/refused/{REJECTED_FILE}"
    store.put_bytes(key, ledger.to_csv())
    told = sorted(ledger.rejected, key=lambda row: row.code in ("case-rejected", "not-part-of-layout"))
    lines = "\n".join(f"  {_line(rejection)}" for rejection in told[:SHOWN])
    raise DataError(
        f"{config.source}: no usable case in {ledger.seen} files ({_counts(ledger)}). First reasons:\n{lines}\n"
        f"All reasons are in {key} of the store. Known layouts:\n{describe_layouts()}"
    )


def _summary(layout: Layout, reason: str, ledger: Ledger, result: _Result) -> IngestSummary:
    rejected = len(ledger.rejected)
    return IngestSummary(
        layout=layout.name,
        layout_reason=reason,
        files_seen=ledger.seen,
        files_accepted=ledger.seen - rejected,
        files_rejected=rejected,
        cases=len(result.cases),
        rejected_by_code=ledger.by_code(),
        warnings=result.warnings,
    )
