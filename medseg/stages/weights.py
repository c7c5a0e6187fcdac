"""A store's mirror of published weights: filled on a machine that reaches them, for pods that do not."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from medseg import artifacts
from medseg.artifacts import WEIGHTS_FILE, MirroredWeights
from medseg.config import NO_WEIGHTS, PUBLISHED, UnitConfig
from medseg.errors import NotFoundError, RecipeError, StageError
from medseg.fetch import file_hash
from medseg.models import registry
from medseg.models.weights import Source, source_of
from medseg.storage import Store, open_store
from medseg.storage.cache import cache_root
from medseg.storage.embedded import BUCKET, FOLDER_VARIABLE

log = logging.getLogger(__name__)


def pull(names: Iterable[str], weights: str, store_uri: str) -> list[MirroredWeights]:
    """Mirror the weights of models; what lies in the store whole is not fetched again.

    Args:
        names: of models; those that share an encoder share its file.
        weights: ``imagenet`` for what each model's own encoder has, or a Hugging Face repository.

    Raises:
        RecipeError: no such model, or it has no published weights.
        StorageError: the source or the store refuse or do not answer.
        DataError: what came is damaged.
    """
    sources: dict[str, Source] = {}
    for name in names:
        source = source_of(_unit(name, weights), registry.find(name))
        if source is None:
            raise RecipeError(f"--weights {weights}: must be {PUBLISHED} or a Hugging Face repository owner/name")
        sources.setdefault(source.name, source)
    return [_mirror(source, store_uri) for source in sources.values()]


def mirrored(store_uri: str) -> list[MirroredWeights]:
    """All weights that a store holds."""
    uri = artifacts.weights_uri(store_uri)
    store = open_store(uri)
    markers = [item.key for item in store.list() if item.key.endswith(f"/{WEIGHTS_FILE}")]
    return [MirroredWeights.from_bytes(store.get_bytes(key), f"{uri}/{key}") for key in markers]


def describe(entries: Iterable[MirroredWeights]) -> str:
    """A line for each: what it is, how large, under which licence, and which commit was mirrored when."""
    entries = list(entries)
    if not entries:
        return "the mirror is empty; `medseg weights pull NAME --store URI` fills it"
    lines = [f"{'weights':<52} {'MB':>7}  {'mirrored':<10}  {'revision':<12}  licence"]
    lines += [
        f"{entry.place:<52} {entry.bytes / 1e6:>7.1f}  {entry.mirrored[:10]}  {(entry.revision or '-')[:12]:<12}"
        f"  {entry.license}"
        for entry in entries
    ]
    return "\n".join(lines)


def find_mirrored(source: Source, store_uri: str) -> MirroredWeights | None:
    """The entry of one file in the mirror, None where it is not there."""
    return _entry(open_store(artifacts.weights_uri(store_uri, source.name)))


def not_mirrored(units: Iterable[UnitConfig], store_uri: str) -> StageError:
    """An error that names what the mirror lacks for these trainings, and the commands that mirror it."""
    by_choice: dict[str, list[str]] = {}
    lacking = []
    for unit in units:
        source = source_of(unit, registry.find(unit.model))
        assert source is not None, "files of one's own are not mirrored"
        by_choice.setdefault("" if _is_usual(source, unit) else source.place, []).append(unit.model)
        lacking.append(f"{source.place} for {unit.model}")
    commands = [f"`{_pull_command(models, choice, store_uri)}`" for choice, models in by_choice.items()]
    return StageError(
        f"weights: {artifacts.weights_uri(store_uri)} lacks {', '.join(lacking)}; run {' and '.join(commands)} on a"
        f" machine that reaches the internet, or give the model set: {{weights: {NO_WEIGHTS}}}"
    )


def pull_command(unit: UnitConfig, store_uri: str) -> str:
    """What to type to mirror the weights of one training."""
    source = source_of(unit, registry.find(unit.model))
    assert source is not None, "files of one's own are not mirrored"
    return _pull_command([unit.model], "" if _is_usual(source, unit) else source.place, store_uri)


def _is_usual(source: Source, unit: UnitConfig) -> bool:
    """Whether ``pull`` takes this source for the model when it is told no other."""
    return unit.weights == PUBLISHED and source == source_of(_unit(unit.model, PUBLISHED), registry.find(unit.model))


def _pull_command(models: list[str], choice: str, store_uri: str) -> str:
    which = ["--weights", choice] if choice else []
    return shlex.join(["medseg", "weights", "pull", *models, *which, "--store", _lasting(store_uri)])


def _unit(name: str, weights: str) -> UnitConfig:
    return registry.default_unit(name, weights=weights)


def _lasting(store_uri: str) -> str:
    """The store as it can be named later: an embedded server ends with its command, its folder stays."""
    folder = os.environ.get(FOLDER_VARIABLE)
    embedded = f"s3://{BUCKET}"
    if folder and (store_uri == embedded or store_uri.startswith(f"{embedded}/")):
        return str(Path(folder) / store_uri.removeprefix("s3://"))
    return store_uri


def _mirror(source: Source, store_uri: str) -> MirroredWeights:
    # Hugging Face's client takes a while to import
    from medseg.models.weights_download import download, is_non_commercial

    store = open_store(artifacts.weights_uri(store_uri, source.name))
    entry = _entry(store)
    if entry and source.revision in (None, entry.revision) and _is_whole(store, entry):
        log.info("weights: %s is mirrored already", entry.place)
    else:
        scratch = cache_root() / "weights" / source.name
        found = download(source, scratch)
        entry = MirroredWeights(
            name=source.name,
            place=source.place,
            revision=found.revision,
            file=found.path.name,
            bytes=found.path.stat().st_size,
            sha256=found.sha256,
            license=found.license,
            mirrored=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        _put(store, found.path, entry)
        shutil.rmtree(scratch)
        log.info("weights: %s is mirrored, %.1f MB, %s", entry.place, entry.bytes / 1e6, entry.license)
    if is_non_commercial(entry.license):
        log.warning("weights: %s: %s does not allow commercial use", entry.place, entry.license)
    return entry


def _put(store: Store, path: Path, entry: MirroredWeights) -> None:
    store.delete(WEIGHTS_FILE)
    for item in store.list():  # of another revision
        store.delete(item.key)
    store.put_file(path, entry.file)
    store.put_bytes(WEIGHTS_FILE, entry.to_bytes())


def _entry(store: Store) -> MirroredWeights | None:
    try:
        data = store.get_bytes(WEIGHTS_FILE)
    except NotFoundError:
        return None
    return MirroredWeights.from_bytes(data, f"{store.uri}/{WEIGHTS_FILE}")


def _is_whole(store: Store, entry: MirroredWeights) -> bool:
    with tempfile.TemporaryDirectory(prefix="medseg-weights-") as scratch:
        path = store.local_path(entry.file) or Path(scratch, entry.file)
        try:
            if not path.exists():
                store.get_file(entry.file, path)
            return file_hash(path, "sha256") == entry.sha256
        except NotFoundError:
            return False
