"""Interpolation along the axes of a grid, as one matrix per axis and one matrix product each."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.types import Shape3

Orders = tuple[int, int, int]
Matrices = tuple[NDArray[np.float32] | None, NDArray[np.float32] | None, NDArray[np.float32] | None]

LINEAR: Orders = (1, 1, 1)
CACHED_MATRICES = 48  # 40 kB to 1 MB each
SMALLEST = 1e-12  # weights below it are left out
REACH = 24  # voxels: all weights of a cubic B-spline that lie farther away are that small
PERIOD = 64  # of the impulses that probe the weights; more than twice the reach
BLOCK = 32  # rows of a matrix that share one band; measured: 16 and 64 take longer


def interpolate(volume: NDArray[np.float32], shape: Shape3, orders: Orders) -> NDArray[np.float32]:
    """Bring a volume to ``shape``, its field of view unchanged and its edge voxels repeated outside.

    Args:
        volume: (I, J, K).
        orders: of the splines along I, J, K: 1 is linear, 3 cubic.

    Returns:
        The values of ``scipy.ndimage.zoom(mode="nearest", grid_mode=True)``, from which they differ by float32's
        rounding: on axis-aligned grids interpolation is linear in the voxels, and separable.
    """
    have = volume.shape
    matrices = tuple(matrix(old, new, order) for old, new, order in zip(have, shape, orders, strict=True))
    return apply(volume, (matrices[0], matrices[1], matrices[2]))


def apply(volume: NDArray[np.float32], matrices: Matrices) -> NDArray[np.float32]:
    """Multiply every axis by its matrix (new, old); None leaves it as it is."""
    given = [(axis, weights) for axis, weights in enumerate(matrices) if weights is not None]
    # what shrinks the volume most goes first, so that the others have less to do
    for axis, weights in sorted(given, key=lambda item: len(item[1]) / item[1].shape[1]):
        volume = _along(volume, axis, weights)
    return volume


@lru_cache(CACHED_MATRICES)
def matrix(old: int, new: int, order: int) -> NDArray[np.float32] | None:
    """Weights (new, old) of the old voxels of an axis in the new ones, prefilter and edges included; None if equal.

    SciPy says what they are: unit impulses, ``PERIOD`` apart so that their responses do not meet, are zoomed.
    """
    if old == new:
        return None
    columns, period = np.arange(old), min(old, PERIOD)
    impulses = np.zeros((period, old))
    impulses[columns % period, columns] = 1
    responses = ndimage.zoom(impulses, (1, new / old), order=order, mode="nearest", grid_mode=True)
    centres = centre(np.arange(new), old, new)
    weights = responses.T[:, columns % period]
    kept = (np.abs(columns - centres[:, None]) <= REACH) & (np.abs(weights) >= SMALLEST)
    weights = np.where(kept, weights, 0).astype(np.float32)
    weights.flags.writeable = False
    return weights


def centre(voxel: NDArray[np.int64], old: int, new: int) -> NDArray[np.float64]:
    """Where the middle of a new voxel lies, in old voxels."""
    return np.asarray((voxel + 0.5) * (old / new) - 0.5, np.float64)


def _along(volume: NDArray[np.float32], axis: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matrix product along one axis, in bands: most weights of a row are 0."""
    shape = volume.shape
    rows, columns = weights.shape
    before, after = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    result = np.empty((*shape[:axis], rows, *shape[axis + 1 :]), np.float32)
    given, made = volume.reshape(before, columns, after), result.reshape(before, rows, after)
    for start in range(0, rows, BLOCK):
        block = weights[start : start + BLOCK]
        used = np.flatnonzero(block.any(axis=0))
        band = slice(used[0], used[-1] + 1) if used.size else slice(0, 1)
        if after == 1:  # one product of matrices instead of many with a vector
            np.matmul(given[:, band, 0], block[:, band].T, out=made[:, start : start + BLOCK, 0])
        else:
            np.matmul(block[:, band], given[:, band], out=made[:, start : start + BLOCK])
    return result
