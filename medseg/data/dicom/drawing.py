"""Regions with class names, from one or more objects, drawn into one reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.data.image import Image
from medseg.data.labels import Overlap, Reference, settle_overlap
from medseg.types import Geometry

Place = tuple[slice, slice, slice]
Piece = tuple[Place, NDArray[np.bool_]]


@dataclass(frozen=True)
class Region:
    """What one object says about one class.

    Attributes:
        pieces: gives parts of the voxel grid with the voxels in them that are of the class.
        warnings: what was decided before.
    """

    name: str
    path: Path
    pieces: Callable[[], Iterator[Piece]]
    warnings: tuple[str, ...] = ()


def draw(regions: Sequence[Region], grid: Geometry, order: Sequence[str], overlap: Overlap) -> Reference:
    """Draw regions on a grid; what no region covers stays 0, and regions of one class may cover each other.

    Args:
        order: class names; value and rank are the place in it, names that are missing come last.
        overlap: of regions of different classes: the class that comes ``first`` or ``last`` owns the voxels.

    Raises:
        RejectedFileError: ``overlapping-segments``.
    """
    ranks = {name: rank for rank, name in enumerate(_completed(order, regions), start=1)}
    volume = np.zeros(grid.shape, dtype=np.uint16)
    warnings = [warning for region in regions for warning in region.warnings]
    for region in sorted(regions, key=lambda region: ranks[region.name], reverse=overlap == "first"):
        value, claimed = ranks[region.name], 0
        for place, mask in region.pieces():
            part = volume[place]
            claimed += int(((part[mask] != 0) & (part[mask] != value)).sum())
            part[mask] = value
        warnings += settle_overlap(region.name, claimed, overlap, region.path)
    names = {region.name: ranks[region.name] for region in regions}
    return Reference(Image(volume[None], grid.affine), names=names, warnings=tuple(warnings))


def _completed(order: Sequence[str], regions: Sequence[Region]) -> list[str]:
    return list(dict.fromkeys([*order, *(region.name for region in regions)]))


def names_only(names: Sequence[str]) -> Reference:
    """A reference that tells only which classes there are: one voxel of each."""
    values = np.arange(1, len(names) + 1, dtype=np.uint16)
    named = {name: int(value) for name, value in zip(names, values, strict=True)}
    return Reference(Image(values.reshape(1, -1, 1, 1), np.eye(4)), names=named)
