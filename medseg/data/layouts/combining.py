"""Several reference files of one image become one reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.data.image import Image
from medseg.data.labels import GREY_LEVELS, JPEG_NOISE, LARGEST_VALUE, Overlap, Reference, settle_overlap
from medseg.data.layouts.files import read_reference, with_voxels
from medseg.errors import RejectedFileError


def merged(paths: Sequence[Path]) -> Reference:
    """What any of the files holds is the class; grey levels are brought to one scale first.

    Raises:
        RejectedFileError: as ``read_reference``, ``shape-mismatch``, or ``several-values`` where a file holds classes.
    """
    references = _on_one_grid(paths)
    levels = np.maximum.reduce([_levels(reference, path) for path, reference in references.items()])
    lossy = any(reference.lossy for reference in references.values())
    return Reference(Image(levels, next(iter(references.values())).image.affine), drawn=True, lossy=lossy)


def by_class(paths: Mapping[str, Sequence[Path]], overlap: Overlap) -> Reference:
    """Every file holds one class.

    Args:
        paths: files by class, in the order of the classes.
        overlap: who owns voxels that two classes hold.

    Raises:
        RejectedFileError: as ``merged``, or ``overlapping-segments``.
    """
    references = _on_one_grid([path for found in paths.values() for path in found])
    first = next(iter(references.values())).image
    values = np.zeros(first.array.shape, dtype=np.uint16)
    warnings: list[str] = []
    for value, (name, found) in enumerate(paths.items(), start=1):
        held = np.logical_or.reduce(
            [_levels(references[path], path) > LARGEST_VALUE / 2 for path in found if path in references]
        )
        taken = held & (values > 0)
        warnings += settle_overlap(name, int(taken.sum()), overlap, found[0])
        values[held & ~taken if overlap == "first" else held] = value
    names = {name: value for value, name in enumerate(paths, start=1)}
    return Reference(Image(values, first.affine), names=names, warnings=tuple(warnings))


def _on_one_grid(paths: Sequence[Path]) -> dict[Path, Reference]:
    references = {path: read_reference(path, voxels) for path, voxels in with_voxels(paths).items()}
    first = next(iter(references.values())).image.array.shape
    for path, reference in references.items():
        if reference.image.array.shape != first:
            found, wanted = (" x ".join(map(str, size[1:])) for size in (reference.image.array.shape, first))
            raise RejectedFileError("shape-mismatch", f"has {found} voxels, another reference {wanted}", path)
    return references


def _levels(reference: Reference, path: Path) -> NDArray[np.uint8]:
    """0 to 255, whatever the brightest level of the file; grey edges stay grey."""
    array = reference.image.array
    brightest = int(array.max(initial=0))
    if brightest == 0 or (reference.lossy and brightest < JPEG_NOISE):
        return np.zeros(array.shape, dtype=np.uint8)
    levels = len(np.unique(array[array != 0]))
    if levels > 1 and not reference.lossy and (not reference.drawn or levels <= GREY_LEVELS):
        reason = f"holds {levels} different values, which look like classes; need one mask of one class"
        raise RejectedFileError("several-values", reason, path)
    return np.rint(array * (LARGEST_VALUE / brightest)).clip(0, LARGEST_VALUE).astype(np.uint8)
