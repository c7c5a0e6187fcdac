"""Slices of chosen cases with their references drawn on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import Dataset
from medseg.data.image import slice_axis
from medseg.errors import DataError, NotFoundError
from medseg.reporting.inspection.findings import Intensities, Thumbnail
from medseg.reporting.inspection.volumes import DatasetVolumes
from medseg.reporting.overlays import draw_overlay, largest_slice
from medseg.types import Case


def draw_thumbnails(
    volumes: DatasetVolumes, chosen: Iterable[tuple[Case, str]], dataset: Dataset, intensities: Sequence[Intensities]
) -> Iterator[Thumbnail]:
    """One picture per case, read again one by one; a case that has become unreadable is left out."""
    window = _window(dataset, intensities)
    for case, reason in chosen:
        try:
            channels = volumes.channels(case.case)
            reference = volumes.reference(case.case, channels[0].shape)
        except (DataError, NotFoundError):
            continue
        yield _thumbnail(case, reason, _shown(channels, dataset), reference, dataset, window)


def _thumbnail(
    case: Case,
    reason: str,
    image: NDArray,
    reference: NDArray[np.uint8] | None,
    dataset: Dataset,
    window: tuple[float, float] | None,
) -> Thumbnail:
    nothing = np.zeros(image.shape, dtype=np.uint8)
    drawn = nothing if reference is None else reference
    axis = slice_axis(image.shape, case.spacing_mm)
    values = np.unique(np.take(drawn, largest_slice(drawn, axis), axis))
    classes = tuple(name for name, value in dataset.foreground.items() if value in values)
    picture = draw_overlay(image, drawn, nothing, case.spacing_mm, window)
    return Thumbnail(case, reason, picture, axis, classes if dataset.task == "segmentation" else ())


def _shown(channels: Sequence[NDArray], dataset: Dataset) -> NDArray:
    """Colour pictures are shown as the mean of their channels, other images by their first one."""
    return np.mean(channels, axis=0) if dataset.modality == "rgb" else channels[0]


def _window(dataset: Dataset, intensities: Sequence[Intensities]) -> tuple[float, float] | None:
    """CT has one scale for all cases: that of what is marked. Other intensities are shown case by case."""
    if dataset.modality != "ct" or not intensities:
        return None
    marked = intensities[0].marked[~np.isnan(intensities[0].marked).any(axis=1)]
    if not len(marked):
        return None
    low, high = float(np.median(marked[:, 0])), float(np.median(marked[:, -1]))
    return (low, high) if high > low else None
