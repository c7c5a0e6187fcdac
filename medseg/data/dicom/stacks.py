"""Which slices of a series are one volume: parted by grid, echo, image type and repeats of the same positions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from medseg.config import ToleranceConfig
from medseg.data.dicom.geometry import Plane, same_grid

SAME_PLACE_MM = 0.01  # repeats of a position differ by rounding only


class Member(NamedTuple):
    """A slice, and the number of its file or frame."""

    number: int
    plane: Plane


Stack = list[Member]  # sorted by height


def split_stacks(members: Sequence[Member], tolerances: ToleranceConfig) -> list[Stack]:
    """Part the slices of a series into volumes, each sorted along its normal.

    Slices of other size, pixel size, orientation, echo or image type are never of one volume. Where positions repeat,
    the first attribute, or pair of attributes, of ``Plane.repeat`` that parts them into complete sets does so; what
    none parts stays together, to be refused for its duplicates.
    """
    grids: list[Stack] = []
    for member in members:
        for grid in grids:
            first = grid[0].plane
            if first.kind == member.plane.kind and same_grid(first, member.plane, tolerances):
                grid.append(member)
                break
        else:
            grids.append([member])
    for grid in grids:
        grid.sort(key=lambda member: (member.plane.height_mm, member.number))
    return [stack for grid in grids for stack in _split_repeats(grid)]


def _split_repeats(stack: Stack) -> list[Stack]:
    if not _repeats(stack):
        return [stack]
    attributes = range(len(stack[0].plane.repeat))
    for chosen in (*combinations(attributes, 1), *combinations(attributes, 2)):
        groups: dict[tuple[str, ...], Stack] = defaultdict(list)
        for member in stack:
            groups[tuple(member.plane.repeat[attribute] for attribute in chosen)].append(member)
        if len(groups) > 1 and _all_alike(list(groups.values())):
            return [groups[value] for value in sorted(groups)]
    return [stack]


def _repeats(stack: Stack) -> bool:
    return bool((np.diff([member.plane.height_mm for member in stack]) < SAME_PLACE_MM).any())


def _all_alike(groups: Sequence[Stack]) -> bool:
    """Whether every group holds the same positions, each once."""
    if len({len(group) for group in groups}) > 1 or any(_repeats(group) for group in groups):
        return False
    heights = np.array([[member.plane.height_mm for member in group] for group in groups])
    return bool(np.ptp(heights, axis=0).max() < SAME_PLACE_MM)


def discriminator(stack: Stack) -> tuple[str, ...]:
    """What tells a stack from the others of its series, the same when more stacks are added to it."""
    lowest = stack[0].plane
    orientation = "/".join(f"{round(cosine, 1) + 0.0:g}" for cosine in lowest.orientation)
    repeats = zip(*(member.plane.repeat for member in stack), strict=True)
    common = ["" if len(set(values)) > 1 else values[0] for values in repeats]
    return (f"{lowest.size[0]}x{lowest.size[1]}", orientation, *lowest.kind, *common)
