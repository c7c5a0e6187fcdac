"""Cases that must not be parted between training and test, and may be."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from medseg.artifacts import image_key
from medseg.reporting.inspection.findings import Copies, SplitPatient, Suspects
from medseg.reporting.inspection.likeness import alike_pairs
from medseg.reporting.inspection.measurement import Measurement
from medseg.storage import Store
from medseg.types import Case

PIECE_BYTES = 8 * 2**20


def find_suspects(
    cases: Sequence[Case], measurements: Iterable[Measurement], equal_files: Sequence[Sequence[str]] = ()
) -> Suspects:
    """Patients in several predefined splits, and copies of images.

    Args:
        measurements: of the cases whose voxels were read.
        equal_files: groups of cases whose stored files are equal, whether read or not.
    """
    by_name = {case.case: case for case in cases}
    measured = [measurement for measurement in measurements if not measurement.fault]
    groups = _merged([*_groups((m.digest, m.case) for m in measured), *equal_files])
    copies = [Copies("identical", tuple(by_name[name] for name in group)) for group in groups]
    near, cut_off = _near_copies(measured, groups, by_name)
    ordered = sorted([*copies, *near], key=lambda found: (not found.across_patients, not found.across_splits))
    return Suspects(tuple(_split_patients(cases)), tuple(ordered), cut_off)


def equal_files(store: Store, cases: Sequence[Case], channels: int) -> list[list[str]]:
    """Groups of cases whose stored image files are equal byte by byte; only files of equal size are read."""
    sizes = {item.key: item.size for item in store.list("images/")}
    keys = {case.case: [image_key(case.case, channel) for channel in range(channels)] for case in cases}
    complete = {name: channels for name, channels in keys.items() if all(key in sizes for key in channels)}
    same_size = _groups((str([sizes[key] for key in complete[name]]), name) for name in complete)
    return _groups(
        ("".join(_file_digest(store, key, sizes[key]) for key in complete[name]), name)
        for group in same_size
        for name in group
    )


def _file_digest(store: Store, key: str, size: int) -> str:
    total = hashlib.sha256()
    for offset in range(0, size, PIECE_BYTES):
        total.update(store.read_range(key, offset, PIECE_BYTES))
    return total.hexdigest()


def _split_patients(cases: Sequence[Case]) -> list[SplitPatient]:
    splits: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        if case.split:
            splits[case.patient][case.split] += 1
    return [SplitPatient(patient, dict(found)) for patient, found in sorted(splits.items()) if len(found) > 1]


def _near_copies(
    measured: Sequence[Measurement], identical: Sequence[Sequence[str]], by_name: Mapping[str, Case]
) -> tuple[list[Copies], bool]:
    """Of identical cases the first one stands for all."""
    further = {name for group in identical for name in group[1:]}
    pictures = {m.case: m.small_picture for m in measured if m.small_picture is not None and m.case not in further}
    names = list(pictures)
    pairs, cut_off = alike_pairs(list(pictures.values()))
    copies = [
        Copies(
            "mirrored" if pair.mirrored_axes else "near",
            (by_name[names[pair.first]], by_name[names[pair.second]]),
            pair.likeness,
            pair.mirrored_axes,
        )
        for pair in pairs
    ]
    return copies, cut_off


def _groups(keyed: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Names that share a key, where at least two do."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key, name in keyed:
        groups[key].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _merged(groups: Iterable[Sequence[str]]) -> list[list[str]]:
    """Groups that share a member become one."""
    merged: list[set[str]] = []
    for group in groups:
        touching = [other for other in merged if not other.isdisjoint(group)]
        merged = [other for other in merged if other.isdisjoint(group)]
        merged.append(set(group).union(*touching))
    return sorted(sorted(group) for group in merged)
