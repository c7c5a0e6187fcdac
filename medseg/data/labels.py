"""Which value of a reference means which class, and how references become consecutive class values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medseg.data.image import Image
from medseg.errors import DataError, RejectedFileError

BACKGROUND = "background"
LARGEST_SOURCE_VALUE = np.iinfo(np.uint16).max
LARGEST_VALUE = np.iinfo(np.uint8).max
GREY_LEVELS = 16  # a mask with more distinct levels than this has interpolated edges, not that many classes
JPEG_NOISE = 16  # a JPEG mask that is nowhere brighter than this is empty

Overlap = Literal["refuse", "first", "last"]
Classes = dict[str, int]  # class name to value in the reference files, background left out


@dataclass(frozen=True)
class Reference:
    """Class values as a source holds them.

    Attributes:
        image: (1, I, J, K) integers, 0 is background.
        names: class name to value in this very reference, where the source names them itself (DICOM SEG).
        drawn: a picture, whose one class may have any grey level.
        lossy: grey levels are not exact.
        warnings: what was decided when it was put together.
    """

    image: Image
    names: Classes | None = None
    drawn: bool = False
    lossy: bool = False
    warnings: tuple[str, ...] = ()


def settle_overlap(name: str, voxels: int, overlap: Overlap, path: Path) -> tuple[str, ...]:
    """What is said of voxels that a class claims after another one has claimed them.

    Raises:
        RejectedFileError: ``overlapping-segments``, where the recipe refuses them.
    """
    if not voxels:
        return ()
    claimed = f"{voxels} voxels of {name} belong to another class too"
    if overlap == "refuse":
        raise RejectedFileError("overlapping-segments", f"{claimed}; dataset.overlap says whose they are", path)
    return (f"{claimed}: the {overlap} of the classes owns them (dataset.overlap)",)


def slug(name: str) -> str:
    """Lower case words joined by underscores; ``class`` where nothing is left."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "class"


def checked_classes(classes: Classes, where: str) -> Classes:
    """The classes ordered by value, without background.

    Raises:
        DataError: no class, two classes with one value, or a value out of range; names ``where``.
    """
    ordered = {name: value for name, value in sorted(classes.items(), key=lambda item: item[1]) if value != 0}
    values = list(ordered.values())
    if not ordered:
        raise DataError(f"{where}: needs at least one class besides background, got {classes}")
    if len(set(values)) < len(values):
        raise DataError(f"{where}: every class needs a value of its own, got {ordered}")
    if values[0] < 0 or values[-1] > LARGEST_SOURCE_VALUE or len(values) > LARGEST_VALUE:
        raise DataError(
            f"{where}: at most {LARGEST_VALUE} classes with values from 1 to {LARGEST_SOURCE_VALUE}, got {ordered}"
        )
    return ordered


def canonical_labels(classes: Classes) -> Classes:
    """Background 0, then the classes by their source value as 1, 2, 3 …: ``labels`` of ``dataset.json``."""
    ordered = sorted(classes, key=lambda name: classes[name])
    return {BACKGROUND: 0} | {name: value for value, name in enumerate(ordered, start=1)}


@dataclass(frozen=True)
class Found:
    """What values one reference holds.

    Attributes:
        values: distinct class values without background; none where ``grey``.
        grey: a drawn mask with grey edges, which counts as one class, whatever its levels.
    """

    values: tuple[int, ...] = ()
    grey: bool = False


def values_of(reference: Reference) -> Found:
    """The values that occur in a reference."""
    present = _present(reference.image.array)
    if _is_grey(reference, present):
        return Found(grey=True)
    return Found(tuple(int(value) for value in present if value))


def found_classes(references: Iterable[Found]) -> Classes:
    """Name the values that occur: ``foreground`` for a single one, else ``class_<value>``.

    No class where all is background.

    Raises:
        DataError: values that cannot be classes, see ``checked_classes``.
    """
    values: set[int] = set()
    grey = False
    for found in references:
        values.update(found.values)
        grey = grey or found.grey
    if len(values) <= 1 and (values or grey):
        return {"foreground": values.pop() if values else LARGEST_VALUE}
    named = {f"class_{value}": value for value in sorted(values)}
    return checked_classes(named, "values found in the references") if named else {}


def encode(reference: Reference, classes: Classes) -> tuple[NDArray[np.uint8], str]:
    """Turn source values into consecutive class values.

    Args:
        classes: as ``checked_classes`` returns them.

    Returns:
        (I, J, K) uint8 with the values of ``canonical_labels``, and a warning, empty if there is none.

    Raises:
        RejectedFileError: ``unknown-class-value``.
    """
    values = reference.image.array[0]
    present = _present(values)
    if reference.drawn and len(classes) == 1 and (reference.lossy or (present > 0).sum() > 1):
        return _threshold(values)
    source = _source_values(reference, classes, present)
    unknown = [int(value) for value in present if value and int(value) not in source]
    if unknown:
        choices = ", ".join(f"{value} ({name})" for name, value in (reference.names or classes).items())
        raise RejectedFileError("unknown-class-value", f"holds class value {unknown[0]}; known are 0, {choices}")
    labels = canonical_labels(classes)
    table = np.zeros(int(present.max(initial=0)) + 1, dtype=np.uint8)
    for value, name in source.items():
        if value < len(table):
            table[value] = labels[name]
    return table[values], ""


def _source_values(reference: Reference, classes: Classes, present: NDArray) -> dict[int, str]:
    if reference.names is not None:
        strange = sorted(set(reference.names) - set(classes))
        if strange:
            raise RejectedFileError(
                "unknown-class-value", f"holds a segment {strange[0]!r}; known classes are {', '.join(classes)}"
            )
        return {value: name for name, value in reference.names.items()}
    if reference.drawn and len(classes) == 1:
        return {int(value): next(iter(classes)) for value in present if value}
    return {value: name for name, value in classes.items()}


def _threshold(values: NDArray) -> tuple[NDArray[np.uint8], str]:
    brightest = int(values.max(initial=0))
    if brightest < JPEG_NOISE:
        return np.zeros(values.shape, dtype=np.uint8), f"mask is nowhere brighter than {brightest}: taken as empty"
    threshold = brightest / 2
    message = f"mask has grey edges: levels above {threshold:g}, half of its brightest, are taken as the class"
    return (values > threshold).astype(np.uint8), message


def _is_grey(reference: Reference, present: NDArray) -> bool:
    return reference.drawn and (reference.lossy or len(present) > GREY_LEVELS)


def _present(values: NDArray) -> NDArray[np.int64]:
    """Distinct values in rising order; counting is many times faster than sorting where values are small."""
    if values.size and values.min() >= 0 and values.max() <= LARGEST_SOURCE_VALUE:
        return np.flatnonzero(np.bincount(values.ravel().astype(np.int64)))
    return np.unique(values).astype(np.int64)
