"""Pictures of each model's best, median and worst test case."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg import artifacts
from medseg.artifacts import Dataset, Plan
from medseg.data.formats.nifti import read_nifti, read_nifti_reference
from medseg.data.image import slice_axis
from medseg.errors import DataError, NotFoundError
from medseg.metrics.aggregate import case_names, case_scores, class_names, mean_of_defined
from medseg.reporting.overlays import draw_overlay
from medseg.reporting.results import RunResults, UnitResult
from medseg.storage import open_store

UNAVAILABLE = (DataError, NotFoundError)  # a picture that is left out; a store that does not answer is an error


@dataclass(frozen=True)
class GalleryCase:
    """One case of one training.

    Attributes:
        place: ``best``, ``median``, ``worst``, or ``only``.
        dice: mean over classes; ``dice_per_class`` leaves out the undefined ones.
        picture: (rows, columns, 3) RGB; None where ``problem`` says why it could not be drawn.
        axis: the patient axis that the slice is cut across: 0, 1 or 2.
    """

    unit: UnitResult
    place: str
    case: str
    dice: float
    dice_per_class: dict[str, float]
    picture: NDArray[np.uint8] | None = None
    axis: int = 2
    problem: str = ""


@dataclass(frozen=True)
class _Scene:
    """Image and reference of one case, both (I, J, K)."""

    image: NDArray
    reference: NDArray
    spacing_mm: Sequence[float]


def gallery(results: RunResults, models: Sequence[str]) -> dict[str, list[GalleryCase]]:
    """Model to its cases, of its first training with scores; every image is read once."""
    units = {model: next((u for u in results.of_model(model) if u.rows), None) for model in models}
    wanted = [case for unit in units.values() if unit for case in chosen_cases(unit)]
    drawn = [drawing for case in sorted({w.case for w in wanted}) for drawing in _draw_case(case, wanted, results)]
    order = ("best", "median", "worst", "only")
    return {
        model: sorted((d for d in drawn if d.unit is unit), key=lambda d: order.index(d.place))
        for model, unit in units.items()
        if unit
    }


def chosen_cases(unit: UnitResult) -> list[GalleryCase]:
    """The best, median and worst case by mean Dice over classes; fewer where there are fewer cases."""
    names, classes = case_names([unit.rows]), class_names([unit.rows])
    dice = case_scores([unit.rows], "dice")
    means = mean_of_defined(dice, axis=1)
    ranked = sorted((i for i in range(len(names)) if not np.isnan(means[i])), key=lambda i: (-means[i], names[i]))
    places = {1: ["only"], 2: ["best", "worst"]}.get(len(ranked), ["best", "median", "worst"])
    picks = {"only": 0, "best": 0, "median": len(ranked) // 2, "worst": -1}
    chosen = [(place, ranked[picks[place]]) for place in places if ranked]
    return [
        GalleryCase(
            unit,
            place,
            names[index],
            float(means[index]),
            {name: float(value) for name, value in zip(classes, dice[index], strict=True) if not np.isnan(value)},
        )
        for place, index in chosen
    ]


def _draw_case(case: str, wanted: Sequence[GalleryCase], results: RunResults) -> Iterator[GalleryCase]:
    entries = [entry for entry in wanted if entry.case == case]
    try:
        scene = _read_scene(case, results)
    except UNAVAILABLE as error:
        yield from (replace(entry, problem=str(error)) for entry in entries)
        return
    window = _window(results.plan)
    for entry in entries:
        try:
            yield _drawn(entry, scene, window)
        except UNAVAILABLE as error:
            yield replace(entry, problem=str(error))


def _drawn(entry: GalleryCase, scene: _Scene, window: tuple[float, float] | None) -> GalleryCase:
    prediction = _read(entry.unit.uri, artifacts.prediction_key(entry.case), reference=True)[0][0]
    if prediction.shape != scene.reference.shape:
        raise DataError(f"{entry.case}: prediction has shape {prediction.shape}, the reference {scene.reference.shape}")
    picture = draw_overlay(scene.image, scene.reference, prediction, scene.spacing_mm, window)
    return replace(entry, picture=picture, axis=slice_axis(scene.image.shape, scene.spacing_mm))


def _read_scene(case: str, results: RunResults) -> _Scene:
    if results.dataset_uri is None or results.dataset is None:
        raise DataError(f"{case}: the data set of this run cannot be read")
    reference, spacing_mm = _read(results.dataset_uri, artifacts.reference_key(case), reference=True)
    channels = [
        _read(results.dataset_uri, artifacts.image_key(case, channel), reference=False)[0][0]
        for channel in _shown_channels(results.dataset)
    ]
    return _Scene(np.mean(channels, axis=0) if len(channels) > 1 else channels[0], reference[0], spacing_mm)


def _shown_channels(dataset: Dataset) -> range:
    """Colour pictures are shown as the mean of their channels, other images by their first one."""
    return range(len(dataset.channel_names) if dataset.modality == "rgb" else 1)


def _window(plan: Plan | None) -> tuple[float, float] | None:
    """CT is shown in the window that the networks see; other intensities have no common scale."""
    if plan and plan.normalization and plan.normalization[0].method == "ct":
        return plan.normalization[0].low, plan.normalization[0].high
    return None


def _read(uri: str, key: str, reference: bool) -> tuple[NDArray, Sequence[float]]:
    """(1, I, J, K) voxels and their spacing."""
    data = open_store(uri).get_bytes(key)
    with tempfile.TemporaryDirectory(prefix="medseg-report-") as folder:
        path = Path(folder) / key.rsplit("/", 1)[-1]
        path.write_bytes(data)
        image = read_nifti_reference(path) if reference else read_nifti(path)
    return image.array, image.geometry.spacing_mm
