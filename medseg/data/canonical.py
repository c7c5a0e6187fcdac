"""The canonical data set: one case checked against its reference, and what all cases are together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import Dataset, Modality, Task, image_key, reference_key
from medseg.config import DatasetConfig, ToleranceConfig
from medseg.data.image import Image, match_tolerance_mm
from medseg.data.labels import Classes, Found, Reference, canonical_labels, encode, values_of
from medseg.data.layouts.listing import Layout, Loaded, SourceCase
from medseg.data.regrid import resampled_classes
from medseg.data.source import Source
from medseg.errors import RejectedFileError
from medseg.types import Case, Geometry

_CHANNELS: dict[Modality, str] = {"ct": "CT", "mr": "MRI", "xray": "X-ray", "ultrasound": "US"}


@dataclass(frozen=True)
class CanonicalCase:
    """A case as it goes into the data set.

    Attributes:
        loaded: its image, and what its files said besides.
        reference: (I, J, K) class values; None where the source has no references.
        found: the values that the source's reference holds.
        warnings: what was decided for it, without the case's name.
    """

    case: Case
    loaded: Loaded
    reference: NDArray[np.uint8] | None
    found: Found
    warnings: tuple[str, ...]

    def volumes(self) -> Iterator[tuple[str, NDArray]]:
        """Key in the data set and (I, J, K) voxels of every channel and of the reference."""
        for channel, array in enumerate(self.loaded.image.array):
            yield image_key(self.case.case, channel), array
        if self.reference is not None:
            yield reference_key(self.case.case), self.reference


def read_case(layout: Layout, source: Source, found: SourceCase, classes: Classes, modality: Modality) -> CanonicalCase:
    """Read one case and check image and reference against each other.

    Raises:
        RejectedFileError: a file cannot be read, or image and reference do not belong together:
            ``shape-mismatch``, ``affine-mismatch``, ``unknown-class-value``.
    """
    loaded = layout.load_image(source, found, modality)
    image = loaded.image
    grid = image.geometry
    case = Case(found.case, found.patient, found.split, grid.shape, grid.spacing_mm, found.label, loaded.facts)
    if not found.references:
        return CanonicalCase(case, loaded, None, Found(), ())
    reference = layout.load_reference(source, found, grid)
    path = source.path(found.references[0])
    reference = _on_grid(reference, grid, layout.config, path)
    try:
        encoded, warning = encode(reference, classes)
    except RejectedFileError as error:
        raise RejectedFileError(error.code, error.reason, path) from error
    return CanonicalCase(
        case, loaded, encoded, values_of(reference), (*reference.warnings, *([warning] if warning else []))
    )


def _on_grid(reference: Reference, grid: Geometry, config: DatasetConfig, path: Path) -> Reference:
    if not config.resample_references:
        _check_grids(grid, reference.image.geometry, config.tolerances, path)
        return reference
    if reference.image.geometry.matches(grid, match_tolerance_mm(grid, config.tolerances)):
        return reference
    return replace(reference, image=Image(resampled_classes(reference.image, grid), grid.affine))


def _check_grids(grid: Geometry, drawn: Geometry, tolerances: ToleranceConfig, path: Path) -> None:
    if drawn.shape != grid.shape:
        reason = f"reference has {_shown(drawn.shape)} voxels, its image {_shown(grid.shape)} (in RAS order)"
        raise RejectedFileError("shape-mismatch", reason, path)
    tolerance = match_tolerance_mm(grid, tolerances)
    if not drawn.matches(grid, tolerance):
        origins = f"origins {np.round(drawn.affine[:3, 3], 2).tolist()} and {np.round(grid.affine[:3, 3], 2).tolist()}"
        spacings = f"spacings {_shown(np.round(drawn.spacing_mm, 3))} and {_shown(np.round(grid.spacing_mm, 3))}"
        reason = f"reference and image lie more than {tolerance:.3g} mm apart: {origins}, {spacings} mm"
        raise RejectedFileError("affine-mismatch", reason, path)


def _shown(numbers: tuple[int, ...] | NDArray) -> str:
    return " x ".join(f"{number:g}" for number in numbers)


def describe_dataset(
    config: DatasetConfig, layout: str, task: Task, modality: Modality, classes: Classes, overview: Overview
) -> Dataset:
    """``dataset.json``, its version left empty; channels that the source does not name are named by the modality."""
    names = ("red", "green", "blue") if modality == "rgb" else overview.channel_names
    if names is None:
        base = _CHANNELS.get(modality, "image")
        channels = overview.channels
        names = (base,) if channels == 1 else tuple(f"{base} {number}" for number in range(channels))
    return Dataset(
        channel_names={str(number): channel for number, channel in enumerate(names)},
        labels=_labels(task, classes),
        numTraining=overview.training,
        name=config.name,
        version="",
        modality=modality,
        task=task,
        dimensions=2 if overview.flat else 3,
        layout=layout,
    )


def _labels(task: Task, classes: Classes) -> Classes:
    if task == "segmentation":
        return canonical_labels(classes)
    return {name: value for value, name in enumerate(sorted(classes, key=lambda name: classes[name]))}


@dataclass
class Overview:
    """What ``dataset.json`` says about all cases together, gathered one by one.

    Attributes:
        channels: of every image.
        training: cases that are not predefined as test cases.
        flat: every case has a single slice.
    """

    channels: int
    channel_names: tuple[str, ...] | None
    cases: int = 0
    training: int = 0
    flat: bool = True

    def add(self, case: Case) -> None:
        self.cases += 1
        self.training += case.split != "test"
        self.flat = self.flat and case.shape[2] == 1
