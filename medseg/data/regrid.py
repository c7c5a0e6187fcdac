"""Bringing class values from one voxel grid onto another one that lies anywhere in scanner space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.data.image import Image
from medseg.types import Affine, Geometry


def resampled_classes(reference: Image, grid: Geometry) -> NDArray:
    """Linear resampling of every value on its own, then the value with the largest share; 0 outside the reference.

    Args:
        reference: (1, I, J, K) integers.

    Returns:
        (1, *grid.shape) of the same type.
    """
    source = reference.array[0]
    to_source = np.linalg.inv(reference.affine) @ grid.affine
    winner = np.zeros(grid.shape, source.dtype)
    best = _share(source == 0, to_source, grid, outside=1.0)
    for value in np.unique(source[source > 0]).tolist():
        share = _share(source == value, to_source, grid, outside=0.0)
        better = share > best
        winner[better], best[better] = value, share[better]
    return winner[None]


def _share(mask: NDArray[np.bool_], to_source: Affine, grid: Geometry, outside: float) -> NDArray[np.float32]:
    return ndimage.affine_transform(
        mask.astype(np.float32), to_source[:3, :3], to_source[:3, 3], grid.shape, order=1, cval=outside
    )
