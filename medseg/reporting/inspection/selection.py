"""Which cases are read, and which of them are shown; the same ones each time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from medseg.artifacts import Dataset
from medseg.reporting.inspection.measurement import Measurement
from medseg.types import Case

LEAST_READ = 500
MOST_READ = 10_000  # every one is compared with every other
VOXELS_READ = 2_000_000_000  # some minutes; sets of small images are read whole
SHOWN = 9


def cases_to_read(cases: Sequence[Case], channels: int) -> list[Case]:
    """At least 500 cases, and more of small ones, drawn by a hash of their names; in their own order."""
    drawn: set[str] = set()
    voxels = 0
    for case in by_hash(cases):
        if len(drawn) >= MOST_READ or (len(drawn) >= LEAST_READ and voxels >= VOXELS_READ):
            break
        drawn.add(case.case)
        i, j, k = case.shape
        voxels += i * j * k * channels
    return [case for case in cases if case.case in drawn]


def cases_to_show(
    cases: Sequence[Case], measurements: Iterable[Measurement], dataset: Dataset
) -> list[tuple[Case, str]]:
    """Up to nine readable cases with the reason for each: extremes of the marked part, then a draw over patients.

    For classification the draw goes round the classes.
    """
    voxels = {case.case: case.shape[0] * case.shape[1] * case.shape[2] for case in cases}
    shares = {m.case: sum((m.class_voxels or {}).values()) / voxels[m.case] for m in measurements if not m.fault}
    readable = [case for case in cases if case.case in shares]
    chosen = dict(_extremes(shares)) if dataset.task == "segmentation" else {}
    patients = {case.patient for case in readable if case.case in chosen}
    for case in _drawn(readable, patients):
        if len(chosen) == SHOWN:
            break
        chosen.setdefault(case.case, case.label if dataset.task == "classification" else "drawn at random")
    by_name = {case.case: case for case in readable}
    return [(by_name[name], reason) for name, reason in chosen.items()]


def by_hash(cases: Iterable[Case]) -> list[Case]:
    """In an order that has nothing to do with that of the names, and does not change when cases are added."""
    return sorted(cases, key=lambda case: hashlib.sha256(case.case.encode()).digest())


def _extremes(shares: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """A later reason for the same case goes over an earlier one."""
    marked = sorted((name for name in shares if shares[name] > 0), key=lambda name: (shares[name], name))
    if marked:
        yield marked[0], "smallest marked part"
        yield marked[len(marked) // 2], "median marked part"
        yield marked[-1], "largest marked part"
    empty = sorted(name for name in shares if shares[name] == 0)
    if empty:
        yield empty[0], "nothing marked"


def _drawn(cases: Sequence[Case], shown_patients: Iterable[str]) -> list[Case]:
    """One case of every patient before second ones, round the classes."""
    patients = Counter(shown_patients)
    classes: Counter[str] = Counter()
    ranks: dict[str, tuple[int, int, int]] = {}
    for case in by_hash(cases):
        patients[case.patient] += 1
        classes[case.label] += 1
        ranks[case.case] = (patients[case.patient], classes[case.label], len(ranks))
    return sorted(cases, key=lambda case: ranks[case.case])
