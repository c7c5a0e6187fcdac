"""The weights that a training starts from: in the store's mirror, or a file of one's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medseg import artifacts
from medseg.artifacts import PretrainedWeights
from medseg.config import NO_WEIGHTS, UnitConfig
from medseg.errors import DataError, NotFoundError, StageError
from medseg.fetch import file_hash
from medseg.models import registry
from medseg.models.weights import source_of
from medseg.stages.weights import find_mirrored, not_mirrored, pull_command
from medseg.storage.cache import cache_root, cached_file, store_of_file


@dataclass(frozen=True)
class StartingWeights:
    """A file, what it is, and what to do where it is not that any more."""

    uri: str
    note: PretrainedWeights
    remedy: str

    def fetch(self) -> Path:
        """The file on this machine, checked by its hash.

        Raises:
            DataError: it is not there or not the same; with the remedy.
        """
        try:
            path = cached_file(self.uri)
        except NotFoundError as error:
            raise DataError(f"{error}; {self.remedy}") from error
        found = file_hash(path, "sha256")
        if found != self.note.sha256:
            if path.is_relative_to(cache_root()):
                path.unlink()
            raise DataError(f"{self.uri}: SHA-256 is {found}, must be {self.note.sha256}; {self.remedy}")
        return path


def require_weights(units: Iterable[UnitConfig], store_uri: str) -> None:
    """Stop a run at its start where its trainings would not find their weights.

    Raises:
        StageError: the store does not mirror them, with the commands that do; or there is no such file.
    """
    missing = []
    for unit in units:
        if unit.weights == NO_WEIGHTS:
            continue
        source = source_of(unit, registry.find(unit.model))
        if source is None:
            _require_file(unit)
        elif find_mirrored(source, store_uri) is None:
            missing.append(unit)
    if missing:
        raise not_mirrored(missing, store_uri)


def find_weights(unit: UnitConfig, store_uri: str) -> StartingWeights | None:
    """What a training starts from; None where it starts from random weights.

    Raises:
        StageError: as ``require_weights``.
    """
    if unit.weights == NO_WEIGHTS:
        return None
    source = source_of(unit, registry.find(unit.model))
    if source is None:
        return _own_file(unit)
    entry = find_mirrored(source, store_uri)
    if entry is None:
        raise not_mirrored([unit], store_uri)
    return StartingWeights(
        uri=artifacts.join(artifacts.weights_uri(store_uri, entry.name), entry.file),
        note=PretrainedWeights(place=entry.place, sha256=entry.sha256, license=entry.license),
        remedy=f"it was damaged since it was mirrored; `{pull_command(unit, store_uri)}` mirrors it anew",
    )


def _own_file(unit: UnitConfig) -> StartingWeights:
    try:
        sha256 = file_hash(cached_file(unit.weights), "sha256")
    except NotFoundError as error:
        raise _no_file(unit) from error
    note = PretrainedWeights(place=unit.weights, sha256=sha256)
    return StartingWeights(unit.weights, note, "it has just been replaced; start the training again")


def _require_file(unit: UnitConfig) -> None:
    store, key = store_of_file(unit.weights)
    if not store.exists(key):
        raise _no_file(unit)


def _no_file(unit: UnitConfig) -> StageError:
    return StageError(f"models: {unit.model}: weights = {unit.weights}: there is no such file")
