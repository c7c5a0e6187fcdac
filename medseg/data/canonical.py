"""The canonical data set: cases checked against their references, written, described and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import Dataset, Modality, image_key, reference_key
from medseg.data.image import Image
from medseg.data.labels import Classes, canonical_labels, encode
from medseg.data.layouts.files import match_tolerance_mm
from medseg.data.layouts.listing import Layout, SourceCase
from medseg.data.nifti import write_nifti
from medseg.errors import RejectedFileError
from medseg.types import Case

_CHANNELS: dict[Modality, str] = {"ct": "CT", "mr": "MRI", "xray": "X-ray", "ultrasound": "US"}


@dataclass(frozen=True)
class CanonicalCase:
    """A case that is in the data set.

    Attributes:
        channels: of its image.
        warnings: what was decided for it, without the case's name.
    """

    case: Case
    channels: int
    warnings: tuple[str, ...]


def write_case(
    layout: Layout,
    source: SourceCase,
    folder: Path,
    classes: Classes,
    modality: Modality,
    channels: int | None,
) -> CanonicalCase:
    """Read, check and write one case below ``folder``; nothing is written for a case that is refused.

    Args:
        channels: number that its image must have; None takes any.

    Raises:
        RejectedFileError: a file cannot be read, or image and reference do not belong together:
            ``channel-count``, ``shape-mismatch``, ``affine-mismatch``, ``unknown-class-value``.
    """
    image = layout.load_image(source, modality)
    if channels is not None and len(image.array) != channels:
        raise RejectedFileError("channel-count", f"image has {len(image.array)} channels, the data set has {channels}")
    reference = layout.load_reference(source, image.geometry)
    _check_grids(image, reference.image, source.references[0])
    try:
        encoded, warning = encode(reference, classes)
    except RejectedFileError as error:
        raise RejectedFileError(error.code, error.reason, source.references[0]) from error
    _write(folder, source.case, image, encoded)
    case = Case(source.case, source.patient, source.split, image.geometry.shape, image.geometry.spacing_mm)
    return CanonicalCase(case, len(image.array), (warning,) if warning else ())


def _check_grids(image: Image, reference: Image, path: Path) -> None:
    grid, drawn = image.geometry, reference.geometry
    if drawn.shape != grid.shape:
        reason = f"reference has {_shown(drawn.shape)} voxels, its image {_shown(grid.shape)} (in RAS order)"
        raise RejectedFileError("shape-mismatch", reason, path)
    tolerance = match_tolerance_mm(grid)
    if not drawn.matches(grid, tolerance):
        origins = f"origins {np.round(drawn.affine[:3, 3], 2).tolist()} and {np.round(grid.affine[:3, 3], 2).tolist()}"
        spacings = f"spacings {_shown(np.round(drawn.spacing_mm, 3))} and {_shown(np.round(grid.spacing_mm, 3))}"
        reason = f"reference and image lie more than {tolerance:.3g} mm apart: {origins}, {spacings} mm"
        raise RejectedFileError("affine-mismatch", reason, path)


def _shown(numbers: tuple[int, ...] | NDArray) -> str:
    return " x ".join(f"{number:g}" for number in numbers)


def _write(folder: Path, case: str, image: Image, reference: NDArray[np.uint8]) -> None:
    for channel, array in enumerate(image.array):
        write_nifti(folder / image_key(case, channel), array, image.affine)
    write_nifti(folder / reference_key(case), reference, image.affine)


def describe_dataset(
    name: str,
    layout: str,
    modality: Modality,
    classes: Classes,
    cases: Sequence[Case],
    channel_names: tuple[str, ...] | None,
    channels: int,
) -> Dataset:
    """``dataset.json``, its version left empty; channels that the source does not name are named by the modality."""
    names = ("red", "green", "blue") if modality == "rgb" else channel_names
    if names is None:
        base = _CHANNELS.get(modality, "image")
        names = (base,) if channels == 1 else tuple(f"{base} {number}" for number in range(channels))
    return Dataset(
        channel_names={str(number): channel for number, channel in enumerate(names)},
        labels=canonical_labels(classes),
        numTraining=sum(case.split != "test" for case in cases),
        name=name,
        version="",
        modality=modality,
        dimensions=2 if all(case.shape[2] == 1 for case in cases) else 3,
        layout=layout,
    )


def content_hash(folder: Path) -> str:
    """sha256 over the sorted names and bytes of all files below a folder, 16 digits of it."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            total.update(f"{path.relative_to(folder).as_posix()}\0".encode())
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]
