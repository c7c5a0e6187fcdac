"""The heavy half of preprocess: cases are looked at for the plan and turned into arrays, by several processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from medseg.artifacts import Plan, array_key, image_key, reference_array_key, reference_key
from medseg.data.arrays import image_bytes, reference_bytes
from medseg.data.fingerprint import CasePrint, Fingerprint, pack, print_case, samples_per_case, unpack
from medseg.data.formats.nifti import nifti_image
from medseg.data.steps import prepare_case
from medseg.errors import DataError, RejectedFileError
from medseg.pool import spread, worth
from medseg.stages.parts import Part
from medseg.storage import Store, open_store
from medseg.types import Case

PRINTS = "fingerprint"
BLOCKS = 256  # of training cases that are looked at and stored together


@dataclass(frozen=True)
class Desk:
    """What a process needs to work on cases: two stores and the number of channels of every image."""

    source_uri: str
    preprocessed_uri: str
    channels: int


def look_at_cases(desk: Desk, cases: Sequence[Case], workers: int, part: Part) -> Fingerprint:
    """Fingerprint of the training cases.

    They are looked at in blocks whose prints go to the store: parts that run at the same time begin at different
    blocks and take over what others have done.
    """
    samples, size = samples_per_case(len(cases)), -(-len(cases) // BLOCKS)
    blocks = [
        _Block(number, tuple(cases[start : start + size]), samples)
        for number, start in enumerate(range(0, len(cases), size))
    ]
    first = len(blocks) * (part.index - 1) // part.count
    todo = [*blocks[first:], *blocks[:first]]
    results = spread(_look, todo, worth(workers, len(cases)), _sit_down, (desk, None))
    progress = tqdm(total=len(cases), desc="fingerprint", unit="case", disable=None)
    prints: list[CasePrint] = []
    with progress:
        for found in results:
            prints += found
            progress.update(len(found))
    return Fingerprint(prints)


def make_arrays(desk: Desk, plan: Plan, cases: Sequence[Case], workers: int) -> None:
    """Write the arrays of every case straight to the store, the reference's last: where it is, the case is done."""
    results = spread(_make, cases, worth(workers, len(cases)), _sit_down, (desk, plan))
    for _ in tqdm(results, desc="preprocess", unit="case", total=len(cases), disable=None):
        pass


def remove_prints(store: Store) -> None:
    for item in store.list(f"{PRINTS}/"):
        store.delete(item.key)


@dataclass(frozen=True)
class _Block:
    number: int
    cases: tuple[Case, ...]
    samples: int


@dataclass(frozen=True)
class _Seat:
    source: Store
    store: Store
    channels: int
    plan: Plan | None


_seats: list[_Seat] = []


def _sit_down(desk: Desk, plan: Plan | None) -> None:
    _seats[:] = [_Seat(open_store(desk.source_uri), open_store(desk.preprocessed_uri), desk.channels, plan)]


def _look(block: _Block) -> list[CasePrint]:
    store, key = _seats[0].store, f"{PRINTS}/{block.number:03d}.npz"
    if store.exists(key):
        return unpack(store.get_bytes(key))
    prints = [print_case(*_read(case), case.spacing_mm, block.samples) for case in block.cases]
    store.put_bytes(key, pack(prints))
    return prints


def _make(case: Case) -> None:
    seat = _seats[0]
    assert seat.plan is not None
    prepared = prepare_case(*_read(case), case.spacing_mm, seat.plan)
    seat.store.put_bytes(array_key(case.case), image_bytes(prepared))
    seat.store.put_bytes(reference_array_key(case.case), reference_bytes(prepared))


def _read(case: Case) -> tuple[NDArray, NDArray[np.uint8]]:
    """(C, I, J, K) and (I, J, K)."""
    channels = [_volume(image_key(case.case, channel)) for channel in range(_seats[0].channels)]
    image = channels[0][None] if len(channels) == 1 else np.stack(channels)
    return image, _volume(reference_key(case.case)).astype(np.uint8, copy=False)


def _volume(key: str) -> NDArray:
    source = _seats[0].source
    try:
        return nifti_image(source.get_bytes(key), Path(key)).array[0]
    except RejectedFileError as error:
        raise DataError(f"{source.uri}/{key}: {error}; run `medseg ingest` again") from error
