"""Bringing an image, a reference or class scores from one voxel grid to another of the same field of view."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.types import Shape3, Spacing3

ANISOTROPY_LIMIT = 3.0  # an axis coarser than this times the finest gets linear interpolation (CONVENTIONS)


def target_shape(shape: Shape3, spacing_mm: Spacing3, target_mm: Spacing3) -> Shape3:
    """Voxels along I, J, K after resampling to ``target_mm``: the field of view stays, at least one voxel."""
    i, j, k = (max(1, round(n * have / want)) for n, have, want in zip(shape, spacing_mm, target_mm, strict=True))
    return i, j, k


def anisotropic_axis(spacing_mm: Spacing3) -> int | None:
    """The axis whose voxels are more than ``ANISOTROPY_LIMIT`` times the finest ones, None where there is none."""
    axis = int(np.argmax(spacing_mm))
    return axis if spacing_mm[axis] > ANISOTROPY_LIMIT * min(spacing_mm) else None


def resample_image(image: NDArray, shape: Shape3, spacing_mm: Spacing3) -> NDArray[np.float32]:
    """Cubic B-spline resampling of intensities, linear along a strongly anisotropic axis.

    Args:
        image: (C, I, J, K), any real dtype.
        shape: wanted I, J, K.
        spacing_mm: voxel size of ``image``; decides which axis is strongly anisotropic.

    Returns:
        (C, *shape) float32; the same values where the shape is unchanged. Equals
        ``skimage.transform.resize(order=3, mode="edge", anti_aliasing=False)`` on isotropic data.
    """
    image = image.astype(np.float32, copy=False)
    coarse = anisotropic_axis(spacing_mm)
    if coarse is None or shape[coarse] == image.shape[1 + coarse]:
        return np.stack([_zoom(channel, shape, order=3) for channel in image])
    within = list(shape)
    within[coarse] = image.shape[1 + coarse]
    planes = (_zoom(channel, (within[0], within[1], within[2]), order=3) for channel in image)
    return np.stack([_zoom(channel, shape, order=1) for channel in planes])


def resample_reference(reference: NDArray[np.uint8], shape: Shape3, classes: int) -> NDArray[np.uint8]:
    """Linear resampling of every class on its own, then the class with the largest share.

    Args:
        reference: (I, J, K) with values below ``classes``.
    """
    if reference.shape == shape:
        return reference
    shares = (_zoom((reference == value).astype(np.float32), shape, order=1) for value in range(classes))
    return argmax_of(shares)


def argmax_of(scores: Iterable[NDArray]) -> NDArray[np.uint8]:
    """Index of the largest among equally shaped arrays given one after the other; the first wins a tie.

    Takes an iterable so that only two arrays are in memory, however many classes there are.
    """
    best: NDArray | None = None
    winner = np.zeros(0, np.uint8)
    for index, score in enumerate(scores):
        if best is None:
            best, winner = score, np.zeros(score.shape, np.uint8)
            continue
        better = score > best
        winner[better] = index
        best = np.where(better, score, best)
    return winner


def _zoom(volume: NDArray, shape: Shape3, order: int) -> NDArray[np.float32]:
    if volume.shape == shape:
        return volume
    # along a single voxel there is nothing to interpolate, and SciPy's spline filter is slow to find that out
    kept = [axis for axis in range(3) if (volume.shape[axis], shape[axis]) != (1, 1)]
    have, want = [volume.shape[axis] for axis in kept], [shape[axis] for axis in kept]
    factors = [new / old for new, old in zip(want, have, strict=True)]
    # grid_mode keeps the field of view
    zoomed = ndimage.zoom(volume.reshape(have), factors, order=order, mode="nearest", grid_mode=True)
    return zoomed.reshape(shape)
