"""Pictures of the cases that a report shows, with reference and prediction drawn on, slice by slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg import artifacts
from medseg.artifacts import Dataset, Plan
from medseg.data.formats.nifti import nifti_image
from medseg.data.formats.voxels import whole_numbers
from medseg.data.image import slice_axis
from medseg.errors import DataError, NotFoundError
from medseg.metrics.aggregate import aggregate
from medseg.reporting.cases import Disagreement, ShownCase, chosen_cases, most_disagreed
from medseg.reporting.results import RunResults, UnitResult
from medseg.reporting.stacks import Frame, Marks, Stack, draw_stack, frame_around, marks_of
from medseg.storage import open_store

UNAVAILABLE = (DataError, NotFoundError)  # a picture that is left out; a store that does not answer is an error
MOST_SLICES = 16  # of one case
MOST_PICTURES = 1500  # slices of the whole page, which then stays under 25 MB


@dataclass(frozen=True)
class Drawing:
    """A shown case as pictures.

    Attributes:
        stack: of the slices of ``frame``; None where ``problem`` says why there is none.
    """

    shown: ShownCase
    stack: Stack | None = None
    frame: Frame | None = None
    problem: str = ""


@dataclass(frozen=True)
class Gallery:
    """All drawings of a report.

    Attributes:
        models: model to the best, median and worst case of its training with the median Dice.
        disagreements: largest spread first, each with a drawing per model, all of the same slices and view.
    """

    models: dict[str, list[Drawing]]
    disagreements: list[tuple[Disagreement, list[Drawing]]]


@dataclass(frozen=True)
class _Scene:
    """Image and reference of one case, both (I, J, K)."""

    image: NDArray[Any]
    reference: NDArray[np.integer]
    spacing_mm: Sequence[float]


@dataclass(frozen=True)
class _Seen:
    """Where predictions of one case mark something, and where they are wrong; those of several models add up."""

    predicted: Marks
    wrong: Marks

    def __add__(self, other: _Seen) -> _Seen:
        return _Seen(self.predicted + other.predicted, self.wrong + other.wrong)


def gallery(results: RunResults, models: Sequence[str]) -> Gallery:
    """Every image is read once, and the volumes of one case alone are in memory."""
    units = {model: unit for model in models if (unit := _typical(results, model))}
    chosen = {model: chosen_cases(unit) for model, unit in units.items()}
    disagreements = most_disagreed(list(units.values()))
    wanted = [entry for entries in chosen.values() for entry in entries]
    wanted += [entry for disagreement in disagreements for entry in disagreement.entries]
    most_slices = max(1, min(MOST_SLICES, MOST_PICTURES // max(1, len(wanted))))
    drawn = {
        _key(drawing.shown): drawing
        for case in sorted({entry.case for entry in wanted})
        for drawing in _draw_case(case, [entry for entry in wanted if entry.case == case], results, most_slices)
    }
    return Gallery(
        {model: [drawn[_key(entry)] for entry in entries] for model, entries in chosen.items()},
        [(found, [drawn[_key(entry)] for entry in found.entries]) for found in disagreements],
    )


def _key(shown: ShownCase) -> tuple[str, str, str]:
    return shown.unit.model, shown.place, shown.case


def _typical(results: RunResults, model: str) -> UnitResult | None:
    """The training with the median Dice, of two the better one: a seed that learned nothing is not what to look at."""
    scored = [unit for unit in results.of_model(model) if unit.rows]
    ranked = sorted(scored, key=lambda unit: aggregate([unit.rows]).scores["dice"] or 0.0)
    return ranked[len(ranked) // 2] if ranked else None


def _draw_case(case: str, wanted: Sequence[ShownCase], results: RunResults, most_slices: int) -> Iterator[Drawing]:
    try:
        scene = _read_scene(case, results)
    except UNAVAILABLE as error:
        yield from (Drawing(entry, problem=str(error)) for entry in wanted)
        return
    readable: list[tuple[ShownCase, bytes, _Seen]] = []
    for entry in wanted:
        try:
            data = _get(entry.unit.uri, artifacts.prediction_key(case))
            readable.append((entry, data, _seen(_prediction(entry, data, scene), scene)))
        except UNAVAILABLE as error:
            yield Drawing(entry, problem=str(error))
    together = [seen for entry, _, seen in readable if entry.place == "disagreed"]
    for entry, data, seen in readable:
        frame = _frame(entry, reduce(add, together) if entry.place == "disagreed" else seen, scene, most_slices)
        prediction = _prediction(entry, data, scene)
        window = _window(results.plan)
        yield Drawing(
            entry, draw_stack(scene.image, scene.reference, prediction, scene.spacing_mm, frame, window), frame
        )


def _seen(prediction: NDArray[np.integer], scene: _Scene) -> _Seen:
    return _Seen(marks_of(prediction, scene.spacing_mm), marks_of(prediction != scene.reference, scene.spacing_mm))


def _frame(entry: ShownCase, seen: _Seen, scene: _Scene, most_slices: int) -> Frame:
    """Cases that went wrong or that models disagree on begin where most voxels are wrong."""
    axis = slice_axis(scene.reference.shape, scene.spacing_mm)
    expected = marks_of(scene.reference, scene.spacing_mm)
    leading = seen.wrong if entry.place in ("worst", "disagreed") else expected
    return frame_around(expected + seen.predicted, leading, axis, scene.spacing_mm, most_slices)


def _prediction(entry: ShownCase, data: bytes, scene: _Scene) -> NDArray[np.integer]:
    """Decoded anew each time: the files of all models fit into memory, their volumes do not."""
    prediction = _class_values(data, artifacts.prediction_key(entry.case))[0]
    if prediction.shape != scene.reference.shape:
        raise DataError(f"{entry.case}: prediction has shape {prediction.shape}, the reference {scene.reference.shape}")
    return prediction


def _read_scene(case: str, results: RunResults) -> _Scene:
    uri = results.dataset_uri
    if uri is None or results.dataset is None:
        raise DataError(f"{case}: the data set of this run cannot be read")
    key = artifacts.reference_key(case)
    reference, spacing_mm = _class_values(_get(uri, key), key)
    keys = [artifacts.image_key(case, channel) for channel in _shown_channels(results.dataset)]
    channels = [nifti_image(_get(uri, key), Path(key)).array[0] for key in keys]
    for image_key, channel in zip(keys, channels, strict=True):
        if channel.shape != reference.shape:
            raise DataError(f"{image_key}: image has shape {channel.shape}, its reference {reference.shape}")
    return _Scene(np.mean(channels, axis=0) if len(channels) > 1 else channels[0], reference, spacing_mm)


def _class_values(data: bytes, key: str) -> tuple[NDArray[np.integer], Sequence[float]]:
    """(I, J, K) voxels and their spacing."""
    image = whole_numbers(nifti_image(data, Path(key)), Path(key))
    return image.array[0], image.geometry.spacing_mm


def _get(uri: str, key: str) -> bytes:
    return open_store(uri).get_bytes(key)


def _shown_channels(dataset: Dataset) -> range:
    """Colour pictures are shown as the mean of their channels, other images by their first one."""
    return range(len(dataset.channel_names) if dataset.modality == "rgb" else 1)


def _window(plan: Plan | None) -> tuple[float, float] | None:
    """CT is shown in the window that the networks see; other intensities have no common scale."""
    if plan and plan.normalization and plan.normalization[0].method == "ct":
        return plan.normalization[0].low, plan.normalization[0].high
    return None
