"""Scores of predictions that lie in NIfTI files, without a data set, a recipe or a store."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.config import ToleranceConfig
from medseg.data.formats.nifti import read_nifti_reference
from medseg.data.image import Image, match_tolerance_mm
from medseg.data.layouts.names import VOLUME_ENDINGS, is_image, stem
from medseg.errors import DataError, RejectedFileError
from medseg.metrics.case import ClassScore, Scoring, Surface, score_case, worst_scores
from medseg.types import Geometry

log = logging.getLogger(__name__)

NEXT_STEP = "resample the prediction to the grid of its reference"


@dataclass(frozen=True)
class Pair:
    """Two files that show one case; ``prediction`` is None where there is none."""

    case: str
    reference: Path
    prediction: Path | None


@dataclass(frozen=True)
class _Scored:
    """A pair with the classes that it holds, by name; other pairs may hold more."""

    pair: Pair
    grid: Geometry
    scores: dict[str, ClassScore]


def score_files(
    prediction: Path, reference: Path, tolerance_mm: float | None, surface: Surface
) -> list[tuple[str, ClassScore]]:
    """Score a file against a file, or all files of a folder against those of equal names in another.

    Every value but 0 that any of the files holds is a class of every case, called by its value; where none holds
    one, the class is "1".

    Args:
        tolerance_mm: of NSD for every class; None leaves NSD undefined.

    Returns:
        Case and score, by case, then by value.

    Raises:
        DataError: files do not belong together, cannot be read, or lie on different grids; names file and rule.
    """
    scored = [_score_pair(pair, tolerance_mm, surface) for pair in find_pairs(prediction, reference)]
    classes = sorted({name for one in scored for name in one.scores}, key=int) or ["1"]
    return [
        (one.pair.case, one.scores.get(name) or _absent(one, name, tolerance_mm)) for one in scored for name in classes
    ]


def find_pairs(prediction: Path, reference: Path) -> list[Pair]:
    """The pairs that two files, or two folders with equal names of files, make; those of folders by name.

    A reference without a prediction is a pair with a warning.

    Raises:
        DataError: a path does not exist, one is a file and one a folder, no names are equal, a prediction has no
            reference, or a folder has two files of one name.
    """
    for path in (prediction, reference):
        if not path.exists():
            raise DataError(f"{path}: there is no such file or folder")
    if prediction.is_dir() != reference.is_dir():
        folder, file = (prediction, reference) if prediction.is_dir() else (reference, prediction)
        raise DataError(
            f"{folder} is a folder, {file} a file: give two files, or two folders of files with equal names"
        )
    if not prediction.is_dir():
        return [Pair(stem(reference.name) or reference.name, reference, prediction)]
    predictions, references = _volumes(prediction), _volumes(reference)
    _check_names(prediction, predictions, reference, references)
    for name in sorted(references.keys() - predictions.keys()):
        log.warning("%s: no prediction in %s: the case scores worst", references[name], prediction)
    return [Pair(name, path, predictions.get(name)) for name, path in sorted(references.items())]


def _volumes(folder: Path) -> dict[str, Path]:
    """The NIfTI files of a folder by name without ending; files of other kinds are left out."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        name = stem(path.name)
        if name is None or not is_image(path.name) or not path.name.lower().endswith(VOLUME_ENDINGS):
            continue
        if name in found:
            raise DataError(f"{folder}: {found[name].name} and {path.name} are both case {name}; leave one of them")
        found[name] = path
    if not found:
        raise DataError(f"{folder}: holds no file that ends in {' or '.join(VOLUME_ENDINGS)}")
    return found


def _check_names(prediction: Path, predictions: Iterable[str], reference: Path, references: Iterable[str]) -> None:
    unknown = sorted(set(predictions) - set(references))
    if not set(predictions) & set(references):
        raise DataError(
            f"{prediction} and {reference} have no names of files in common: {_few(predictions)} in one, "
            f"{_few(references)} in the other; name each prediction as its reference"
        )
    if unknown:
        raise DataError(
            f"{prediction}: {_few(unknown)} without a reference of this name in {reference}; "
            "add the references, or take these predictions away"
        )


def _few(names: Iterable[str]) -> str:
    first = sorted(names)
    return ", ".join(first[:3]) + (f" and {len(first) - 3} more" if len(first) > 3 else "")


def _score_pair(pair: Pair, tolerance_mm: float | None, surface: Surface) -> _Scored:
    reference = _read(pair.reference)
    grid, expected = reference.geometry, reference.array[0]
    if pair.prediction is None:
        labels = _labels(expected)
        scores = worst_scores(expected, grid.spacing_mm, labels, _scoring(labels, tolerance_mm, surface))
    else:
        prediction = _read(pair.prediction)
        _check_grid(prediction.geometry, pair.prediction, grid, pair.reference)
        predicted = prediction.array[0]
        labels = _labels(expected) | _labels(predicted)
        scores = score_case(predicted, expected, grid.spacing_mm, labels, _scoring(labels, tolerance_mm, surface))
    return _Scored(pair, grid, {score.class_name: score for score in scores})


def _absent(scored: _Scored, name: str, tolerance_mm: float | None) -> ClassScore:
    """The score of a class that neither file holds."""
    nothing = np.broadcast_to(np.False_, scored.grid.shape)
    scoring = _scoring([name], tolerance_mm)
    if scored.pair.prediction is None:
        return worst_scores(nothing, scored.grid.spacing_mm, {name: 1}, scoring)[0]
    return score_case(nothing, nothing, scored.grid.spacing_mm, {name: 1}, scoring)[0]


def _labels(values: np.ndarray) -> dict[str, int]:
    return {str(value): int(value) for value in np.unique(values[values != 0])}


def _scoring(names: Iterable[str], tolerance_mm: float | None, surface: Surface = "voxel") -> Scoring:
    return Scoring({} if tolerance_mm is None else dict.fromkeys(names, tolerance_mm), surface)


def _read(path: Path) -> Image:
    try:
        return read_nifti_reference(path)
    except RejectedFileError as error:
        raise DataError(
            f"{path}: {error.reason} ({error.code}); a mask is a readable NIfTI file of 2 or 3 axes with whole numbers"
        ) from error


def _check_grid(grid: Geometry, path: Path, expected: Geometry, reference: Path) -> None:
    if grid.shape != expected.shape:
        raise DataError(f"{path}: {_voxels(grid)}, but {_voxels(expected)} in {reference}; {NEXT_STEP}")
    tolerance_mm = match_tolerance_mm(expected, ToleranceConfig())
    if not grid.matches(expected, tolerance_mm):
        raise DataError(
            f"{path}: lies more than {tolerance_mm:g} mm from where {reference} lies: "
            f"{_place(grid)}, not {_place(expected)}; {NEXT_STEP}"
        )


def _voxels(grid: Geometry) -> str:
    return " x ".join(map(str, grid.shape)) + " voxels"


def _place(grid: Geometry) -> str:
    spacing = " x ".join(f"{length:g}" for length in grid.spacing_mm)
    return f"voxels of {spacing} mm from {tuple(round(float(x), 3) for x in grid.affine[:3, 3])}"
