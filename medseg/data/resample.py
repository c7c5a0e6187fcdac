"""Bringing an image, a reference or class scores from one voxel grid to another of the same field of view."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.data.interpolation import LINEAR, apply, centre, interpolate, matrix
from medseg.types import Shape3, Spacing3

ANISOTROPY_LIMIT = 3.0  # an axis coarser than this times the finest gets linear interpolation (CONVENTIONS)
IMAGE_ORDER, COARSE_AXIS_ORDER = 3, 1

Box = tuple[slice, slice, slice]


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
        (C, *shape) float32, every channel within its old range; the same values where the shape is unchanged. Equals
        ``skimage.transform.resize(order=3, mode="edge", anti_aliasing=False)`` on isotropic data.
    """
    if image.shape[1:] == shape:
        return np.ascontiguousarray(image, np.float32)
    coarse = anisotropic_axis(spacing_mm)
    i, j, k = (COARSE_AXIS_ORDER if axis == coarse else IMAGE_ORDER for axis in range(3))
    result = np.empty((len(image), *shape), np.float32)
    for channel, resampled in zip(image, result, strict=True):
        volume = np.ascontiguousarray(channel, np.float32)
        np.clip(interpolate(volume, shape, (i, j, k)), volume.min(), volume.max(), out=resampled)
    return result


def resample_linear(volume: NDArray, shape: Shape3) -> NDArray[np.float32]:
    """(I, J, K) to ``shape``, linear along every axis."""
    return interpolate(np.ascontiguousarray(volume, np.float32), shape, LINEAR)


def resample_reference(reference: NDArray[np.uint8], shape: Shape3) -> NDArray[np.uint8]:
    """Linear resampling of every class on its own, then the class with the largest share; the first wins a tie.

    Args:
        reference: (I, J, K).
    """
    if reference.shape == shape:
        return reference
    winner = np.zeros(shape, np.uint8)
    boxes = {value: box for value, box in enumerate(ndimage.find_objects(reference), 1) if box is not None}
    reached = {value: _reached(box, reference.shape, shape) for value, box in boxes.items()}
    window = _union([box for box in reached.values() if box is not None])
    if window is None:
        return winner
    # only here may anything but background win, and each class only within its own box
    best = _share(reference, 0, _needed(window, reference.shape, shape), window, shape)
    for value, box in reached.items():
        if box is None:
            continue
        share = _share(reference, value, boxes[value], box, shape)
        inside = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, window, strict=True))
        better = share > best[inside]
        winner[box][better], best[inside][better] = value, share[better]
    return winner


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


def _share(reference: NDArray[np.uint8], value: int, given: Box, wanted: Box, shape: Shape3) -> NDArray[np.float32]:
    """Share of ``value`` in the new voxels ``wanted``, from the old voxels ``given``, outside which there is none."""
    sizes = zip(reference.shape, shape, wanted, given, strict=True)
    full = ((matrix(old, new, 1), rows, columns) for old, new, rows, columns in sizes)
    i, j, k = (None if weights is None else weights[rows, columns] for weights, rows, columns in full)
    return apply((reference[given] == value).astype(np.float32), (i, j, k))


def _reached(box: Box, have: tuple[int, ...], want: Shape3) -> Box | None:
    """New voxels that the old voxels of ``box`` have a share in; None if they fall between all of them."""
    found = []
    for span, old, new in zip(box, have, want, strict=True):
        middle = np.clip(centre(np.arange(new), old, new), 0, old - 1)
        inside = np.flatnonzero((middle > span.start - 1) & (middle < span.stop))
        if not inside.size:
            return None
        found.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return found[0], found[1], found[2]


def _needed(box: Box, have: tuple[int, ...], want: Shape3) -> Box:
    """Old voxels that the new voxels of ``box`` are made from."""
    found = []
    for span, old, new in zip(box, have, want, strict=True):
        ends = np.clip(centre(np.array([span.start, span.stop - 1]), old, new), 0, old - 1)
        found.append(span if old == new else slice(int(ends[0]), int(np.ceil(ends[1])) + 1))
    return found[0], found[1], found[2]


def _union(boxes: list[Box]) -> Box | None:
    if not boxes:
        return None
    spans = zip(*boxes, strict=True)
    i, j, k = (slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in spans)
    return i, j, k
