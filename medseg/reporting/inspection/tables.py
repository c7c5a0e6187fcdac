"""The rows of an inspection's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.reporting.inspection.findings import PERCENTILES, ClassVolumes, Copies, Inspection, Intensities
from medseg.reporting.inspection.text import listed, quantity

SHOWN_SUSPECTS = 50
AXES_3D = ("left-right", "front-back", "top-bottom")
AXES_2D = ("left-right", "top-bottom")


@dataclass(frozen=True)
class VolumeRow:
    """Amounts of one class over the cases that hold it, as text; dashes where none does."""

    name: str
    cases: int
    smallest: str
    median: str
    largest: str
    absent: tuple[str, ...]


@dataclass(frozen=True)
class IntensityRow:
    """One percentile over the cases; the extremes with the case that has them."""

    name: str
    lowest: str
    lowest_case: str
    median: str
    highest: str
    highest_case: str


@dataclass(frozen=True)
class SuspectRow:
    """Copies of one image: what is alike, which cases, whose, and in which splits."""

    what: str
    cases: str
    patients: str
    splits: str
    likeness: str
    serious: bool


def volume_rows(found: Inspection) -> list[VolumeRow]:
    return [_volume_row(volumes) for volumes in found.class_volumes]


def _volume_row(volumes: ClassVolumes) -> VolumeRow:
    amounts = volumes.amounts
    smallest, median, largest = (
        (quantity(float(value)) for value in np.percentile(amounts, [0, 50, 100])) if amounts.size else "–––"
    )
    return VolumeRow(volumes.name, amounts.size, smallest, median, largest, volumes.absent)


def intensity_values(channel: Intensities) -> dict[str, NDArray[np.float64]]:
    """Row name to values: each percentile of all voxels, then of the marked ones, where any case has some."""
    everywhere = {f"{_ordinal(p)}": channel.everywhere[:, n] for n, p in enumerate(PERCENTILES)}
    known = ~np.isnan(channel.marked).any(axis=1)
    if not known.any():
        return everywhere
    return everywhere | {f"marked {_ordinal(p)}": channel.marked[known, n] for n, p in enumerate(PERCENTILES)}


def intensity_rows(channel: Intensities) -> list[IntensityRow]:
    known = ~np.isnan(channel.marked).any(axis=1)
    names = np.array(channel.cases, dtype=object)
    return [
        _intensity_row(name, values, names[known] if name.startswith("marked") else names)
        for name, values in intensity_values(channel).items()
    ]


def _intensity_row(name: str, values: NDArray[np.float64], cases: Sequence[str] | NDArray) -> IntensityRow:
    low, high = int(values.argmin()), int(values.argmax())
    median = quantity(float(np.median(values)))
    return IntensityRow(name, quantity(values[low]), cases[low], median, quantity(values[high]), cases[high])


def suspect_rows(found: Inspection) -> list[SuspectRow]:
    """The first copies, the serious ones before the others."""
    axes = AXES_2D if found.dataset.dimensions == 2 else AXES_3D
    return [_suspect_row(copies, axes) for copies in found.suspects.copies[:SHOWN_SUSPECTS]]


def _suspect_row(copies: Copies, axes: Sequence[str]) -> SuspectRow:
    what = {
        "identical": "identical voxels",
        "near": "nearly identical",
        "mirrored": f"mirrored {' and '.join(axes[axis] for axis in copies.mirrored_axes)}",
    }
    patients = tuple(dict.fromkeys(case.patient for case in copies.cases))
    splits = dict.fromkeys(case.split or "–" for case in copies.cases)
    return SuspectRow(
        what[copies.kind],
        listed(tuple(case.case for case in copies.cases)),
        listed(patients) if copies.across_patients else f"one: {patients[0]}",
        ", ".join(splits),
        f"{copies.likeness:.3f}",
        copies.across_patients or copies.across_splits,
    )


def _ordinal(percentile: int) -> str:
    return "median" if percentile == 50 else f"{percentile} %"
