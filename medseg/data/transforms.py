"""Random changes of training patches, composed from MONAI's transforms."""

from __future__ import annotations

import math
from typing import get_args

from monai import transforms as mt

from medseg.config import AugmentationConfig, AxisName

BOTH = ("image", "reference")
AXES = get_args(AxisName)


def flip_axes(config: AugmentationConfig, slice_axis: int | None) -> tuple[int, ...]:
    """Axes of a patch that may be flipped, counted without the channels.

    Args:
        slice_axis: the axis that 2D patches do not have, None for volumes.
    """
    in_patch = [name for axis, name in enumerate(AXES) if axis != slice_axis]
    return tuple(axis for axis, name in enumerate(in_patch) if name in config.flip_axes)


def augmentation(config: AugmentationConfig, slice_axis: int | None) -> mt.Compose:
    """Flips, rotation with scaling, brightness, contrast, gamma and noise on ``image`` and ``reference``.

    Intensity changes touch the image only; the reference moves with nearest-neighbour interpolation.
    """
    dimensions = 3 if slice_axis is None else 2
    angle = math.radians(config.rotation_degrees)
    flips = [mt.RandFlipd(BOTH, prob=config.flip, spatial_axis=axis) for axis in flip_axes(config, slice_axis)]
    affine = mt.RandAffined(
        BOTH,
        prob=config.affine,
        rotate_range=[angle] * (1 if dimensions == 2 else 3),
        scale_range=[config.scaling] * dimensions,
        mode=("bilinear", "nearest"),
        padding_mode=("border", "zeros"),
    )
    intensity = [
        mt.RandShiftIntensityd("image", offsets=0.2, prob=config.brightness),
        mt.RandScaleIntensityFixedMeand("image", factors=0.25, prob=config.contrast),
        mt.RandAdjustContrastd("image", gamma=(0.7, 1.5), prob=config.gamma),
        mt.RandGaussianNoised("image", std=0.1, prob=config.noise),
    ]
    return mt.Compose([*flips, affine, *intensity], map_items=False)
