"""Raw scans become a canonical data set in the store: every input file accepted, or listed with its reason."""

from __future__ import annotations

import logging

from medseg import artifacts
from medseg.artifacts import DATASET_FILE, INGEST_FILE, IngestSummary
from medseg.config import DatasetConfig, Recipe
from medseg.errors import StageError
from medseg.stages.intake import Recognised, dataset_store, open_intake, recognised
from medseg.stages.parts import Part
from medseg.stages.publish import SHOWN, publish
from medseg.stages.read_cases import read_part
from medseg.storage import Store, open_store

log = logging.getLogger(__name__)


class _Pointer(artifacts.Artifact):
    """From what a source looked like to the version made from it."""

    version: str


def ingest(recipe: Recipe, store_uri: str) -> str:
    """Ingest ``dataset.source`` and return the URI of the data set.

    An unchanged source is not read again; of a grown one only what is new is read.

    Raises:
        DataError: the source is missing, empty, of no known layout, or holds no usable case.
        RecipeError: the recipe names no source.
        StageError: ``dataset.version`` is not in the store.
    """
    return _ingest(recipe, store_uri, Part(), merge=True)


def ingest_part(recipe: Recipe, store_uri: str, part: Part) -> None:
    """Read the cases of one part and leave them in the store; ``merge_parts`` makes the data set of all parts.

    Every part lists the whole source, reads its headers and, where neither source nor recipe names the classes, looks
    for them in all references; everything else is read by its part alone.
    """
    _ingest(recipe, store_uri, part, merge=False)


def merge_parts(recipe: Recipe, store_uri: str) -> str:
    """Make the data set of all parts and return its URI.

    Raises:
        StageError: a part is not finished.
    """
    return _ingest(recipe, store_uri, None, merge=True)


def find_dataset(recipe: Recipe, store_uri: str) -> str:
    """URI of the finished data set of the recipe's source, without ingesting anything.

    Raises:
        StageError: it is not ingested yet, or the source has changed since; names the next step.
    """
    config = recipe.dataset
    store = dataset_store(store_uri, config.name)
    if config.version:
        return _finished_version(store, store_uri, config)
    with recognised(config) as (found, _):
        version = _pointed_version(store, found)
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
        f"Layout `{summary.layout}`: {summary.layout_reason}",
        f"{summary.cases} cases from {summary.files_accepted} of {summary.files_seen} files",
        *(f"left out: {count} x {code}" for code, count in summary.rejected_by_code.items()),
        *(f"warning: {warning}" for warning in summary.warnings[:SHOWN]),
    ]
    return "\n".join(f"- {line}" for line in lines) + "\n"


def _ingest(recipe: Recipe, store_uri: str, part: Part | None, merge: bool) -> str:
    config = recipe.dataset
    store = dataset_store(store_uri, config.name)
    if config.version:
        return _finished_version(store, store_uri, config)
    with recognised(config) as (found, scratch):
        version = _pointed_version(store, found)
        if version:
            uri = artifacts.dataset_uri(store_uri, config.name, version)
            log.info("ingest: %s is unchanged, its data set is %s", config.source, uri)
            return uri
        intake = open_intake(recipe, found, scratch, store)
        if part:
            read_part(intake, part)
        if not merge:
            log.info("ingest: part %s of %s is read", part, config.source)
            return ""
        version = publish(intake)
        store.put_bytes(_pointer_key(found), _Pointer(version=version).to_bytes())
    uri = artifacts.dataset_uri(store_uri, config.name, version)
    log.info("ingest: wrote %s", uri)
    return uri


def _finished_version(store: Store, store_uri: str, config: DatasetConfig) -> str:
    uri = artifacts.dataset_uri(store_uri, config.name, str(config.version))
    if not store.exists(f"{config.version}/{DATASET_FILE}"):
        keys = [item.key.split("/") for item in store.list()]
        there = ", ".join(sorted({key[0] for key in keys if len(key) == 2 and key[1] == DATASET_FILE})) or "none"
        raise StageError(
            f"{uri}: no such finished data set; versions of {config.name!r}: {there}. Leave dataset.version out to"
            " ingest dataset.source"
        )
    return uri


def _pointer_key(found: Recognised) -> str:
    return f"sources/{found.fingerprint}.json"


def _pointed_version(store: Store, found: Recognised) -> str | None:
    pointer = _pointer_key(found)
    if not store.exists(pointer):
        return None
    version = _Pointer.from_bytes(store.get_bytes(pointer), pointer).version
    return version if store.exists(f"{version}/{DATASET_FILE}") else None
