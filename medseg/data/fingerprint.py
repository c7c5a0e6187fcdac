"""What the training cases look like, and the preprocessing plan that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import Dataset, Normalization, Plan
from medseg.config import PreprocessConfig
from medseg.data import normalize
from medseg.data.image import slice_axis
from medseg.data.resample import target_shape
from medseg.errors import RecipeError
from medseg.types import Shape3, Spacing3

SAMPLES_PER_CASE = 10_000  # foreground voxels; nnU-Net's fingerprint takes as many
MAX_PATCH_2D, MAX_PATCH_3D = 512, 96
PATCH_STEP = 8


@dataclass
class Fingerprint:
    """Shapes, voxel sizes and foreground intensities of the training cases, added one by one."""

    shapes: list[Shape3] = field(default_factory=list)
    spacings_mm: list[Spacing3] = field(default_factory=list)
    intensities: list[NDArray[np.float32]] = field(default_factory=list)  # each (C, samples)

    def add(self, image: NDArray, reference: NDArray[np.uint8], spacing_mm: Spacing3) -> None:
        """Take in one training case; ``image`` is (C, I, J, K). A case without foreground adds no intensities."""
        i, j, k = reference.shape
        self.shapes.append((i, j, k))
        self.spacings_mm.append(spacing_mm)
        inside = image[:, reference > 0].astype(np.float32)
        step = max(1, inside.shape[1] // SAMPLES_PER_CASE)
        self.intensities.append(inside[:, ::step])

    def normalization(self, method: str) -> list[Normalization]:
        """One entry per channel; only ``ct`` carries statistics of the training foreground."""
        samples = np.concatenate(self.intensities, axis=1)
        if method != "ct" or not samples.size:
            method = "percentile" if method == "ct" else method
            return [Normalization(method=method) for _ in samples]  # type: ignore[arg-type]
        steps = []
        for channel in samples:
            low, high = np.percentile(channel, (normalize.LOW_PERCENTILE, normalize.HIGH_PERCENTILE))
            inside = np.clip(channel, low, high)
            steps.append(Normalization(method="ct", low=low, high=high, mean=inside.mean(), std=inside.std()))
        return steps


def make_plan(
    fingerprint: Fingerprint, dataset: Dataset, dataset_uri: str, config: PreprocessConfig, channels: int
) -> Plan:
    """Target grid, normalisation and patch sizes; the recipe's values go first.

    Raises:
        RecipeError: a setting does not fit the data's dimensions.
    """
    _check_dimensions(config, dataset)
    native = [float(v) for v in np.median(fingerprint.spacings_mm, axis=0)]
    spacing, size = _grid(fingerprint, dataset, config, native)
    shapes = [
        (*size, 1) if size else target_shape(shape, have, spacing)  # type: ignore[arg-type]
        for shape, have in zip(fingerprint.shapes, fingerprint.spacings_mm, strict=True)
    ]
    i, j, k = (int(v) for v in np.median(shapes, axis=0))
    across = slice_axis((i, j, k), spacing) if spacing else 2
    method = normalize.method_for(dataset.modality) if config.normalization == "auto" else config.normalization
    return Plan(
        dataset_uri=dataset_uri,
        dataset_version=dataset.version,
        labels=dataset.labels,
        channels=channels,
        dimensions=dataset.dimensions,
        modality=dataset.modality,
        spacing_mm=spacing,
        size=size,
        normalization=fingerprint.normalization(method),
        slice_axis=across,
        patch_2d=config.patch_2d or _patch_2d((i, j, k), across),
        patch_3d=None if dataset.dimensions == 2 else config.patch_3d or _patch_3d((i, j, k)),
        fingerprint={
            "training_cases": len(fingerprint.shapes),
            "median_shape": [float(v) for v in np.median(fingerprint.shapes, axis=0)],
            "median_spacing_mm": native,
            "median_shape_resampled": [i, j, k],
        },
    )


def _grid(
    fingerprint: Fingerprint, dataset: Dataset, config: PreprocessConfig, native: list[float]
) -> tuple[Spacing3 | None, tuple[int, int] | None]:
    """Pictures without a physical scale (1 mm by convention) get one size, everything else one voxel size."""
    if config.size:
        return None, config.size
    if config.spacing_mm:
        return config.spacing_mm, None
    if dataset.dimensions == 2 and set(fingerprint.spacings_mm) == {(1.0, 1.0, 1.0)}:
        width, height, _ = (int(v) for v in np.median(fingerprint.shapes, axis=0))
        shrink = max(1.0, max(width, height) / MAX_PATCH_2D)
        return None, (round(width / shrink), round(height / shrink))
    return (native[0], native[1], native[2]), None


def _patch_2d(median: Shape3, across: int) -> tuple[int, int]:
    one, other = (_patch_length(n, MAX_PATCH_2D) for axis, n in enumerate(median) if axis != across)
    return one, other


def _patch_3d(median: Shape3) -> Shape3:
    i, j, k = (_patch_length(n, MAX_PATCH_3D) for n in median)
    return i, j, k


def _patch_length(voxels: int, most: int) -> int:
    return min(most, -(-voxels // PATCH_STEP) * PATCH_STEP)


def _check_dimensions(config: PreprocessConfig, dataset: Dataset) -> None:
    if config.size and dataset.dimensions == 3:
        raise RecipeError(
            f"preprocess.size = {list(config.size)}: is for 2D pictures, but data set {dataset.name} is 3D;"
            " use preprocess.spacing_mm"
        )
    if config.patch_3d and dataset.dimensions == 2:
        raise RecipeError(
            f"preprocess.patch_3d = {list(config.patch_3d)}: data set {dataset.name} is 2D; use preprocess.patch_2d"
        )
    if config.size and config.spacing_mm:
        raise RecipeError("preprocess: give size or spacing_mm, not both")
