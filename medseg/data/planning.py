"""The preprocessing plan that follows from the training cases."""

from __future__ import annotations

import numpy as np

from medseg.artifacts import Crop, Dataset, Normalize, Orient, Plan, Resample
from medseg.config import PreprocessConfig
from medseg.data import normalize
from medseg.data.fingerprint import Fingerprint
from medseg.data.image import slice_axis
from medseg.data.resample import ANISOTROPY_LIMIT, COARSE_AXIS_ORDER, IMAGE_ORDER, target_shape
from medseg.errors import RecipeError
from medseg.types import Shape3, Spacing3

MAX_PATCH_2D, MAX_PATCH_3D = 512, 96
PATCH_STEP = 8
CROPPED_SHARE = 0.75  # volumes are cropped where less than this is left of them; nnU-Net's limit for masked z-scores


def normalization_method(config: PreprocessConfig, dataset: Dataset) -> str:
    return normalize.method_for(dataset.modality) if config.normalization == "auto" else config.normalization


def may_crop(config: PreprocessConfig, dataset: Dataset) -> bool:
    """Scanners pad with zeros and defacing leaves them; in a picture black is content."""
    return config.crop == "nonzero" or (
        config.crop == "auto" and dataset.dimensions == 3 and dataset.modality in ("ct", "mr")
    )


def needs_voxels(config: PreprocessConfig, dataset: Dataset) -> bool:
    """Whether the plan depends on more than shapes and voxel sizes."""
    return normalization_method(config, dataset) == "ct" or may_crop(config, dataset)


def make_plan(fingerprint: Fingerprint, dataset: Dataset, dataset_uri: str, config: PreprocessConfig) -> Plan:
    """Steps, target grid and patch sizes; the recipe's values go first.

    Raises:
        RecipeError: a setting does not fit the data's dimensions.
    """
    _check_dimensions(config, dataset)
    crops = may_crop(config, dataset) and (config.crop == "nonzero" or fingerprint.box_share < CROPPED_SHARE)
    native = [float(v) for v in np.median(fingerprint.spacings_mm, axis=0)]
    spacing, size = _grid(fingerprint, dataset, config, native)
    shapes = zip(fingerprint.box_shapes if crops else fingerprint.shapes, fingerprint.spacings_mm, strict=True)
    planned = [(*size, 1) if size else target_shape(shape, have, spacing) for shape, have in shapes]  # type: ignore[arg-type]
    i, j, k = (int(v) for v in np.median(planned, axis=0))
    across = slice_axis((i, j, k), spacing) if spacing else 2
    scale = Normalize(channels=fingerprint.normalization(normalization_method(config, dataset)))
    return Plan(
        dataset_uri=dataset_uri,
        dataset_version=dataset.version,
        labels=dataset.labels,
        channels=len(dataset.channel_names),
        dimensions=dataset.dimensions,
        modality=dataset.modality,
        steps=(Orient(), *((Crop(),) if crops else ()), scale, _resample_step(spacing, size)),
        slice_axis=across,
        patch_2d=config.patch_2d or _patch_2d((i, j, k), across),
        patch_3d=None if dataset.dimensions == 2 else config.patch_3d or _patch_3d((i, j, k)),
        fingerprint={
            "training_cases": len(fingerprint.shapes),
            "median_shape": [float(v) for v in np.median(fingerprint.shapes, axis=0)],
            "median_spacing_mm": native,
            "median_share_not_zero": fingerprint.box_share if may_crop(config, dataset) else None,
            "median_shape_resampled": [i, j, k],
        },
    )


def _resample_step(spacing_mm: Spacing3 | None, size: tuple[int, int] | None) -> Resample:
    return Resample(
        spacing_mm=spacing_mm,
        size=size,
        order=IMAGE_ORDER,
        coarse_axis_order=COARSE_AXIS_ORDER,
        anisotropy_limit=ANISOTROPY_LIMIT,
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
