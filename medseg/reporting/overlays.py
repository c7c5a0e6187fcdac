"""A slice of an image with the reference drawn as lines and the prediction as fill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from medseg.data.image import slice_axis

Plane = NDArray[Any]  # (rows, columns) as displayed

PICTURE_PIXELS = 360
FILL_OPACITY = 0.4
SHOWN_PER_OBJECT = 1.6  # side of the view as a multiple of the objects' extent
SMALLEST_VIEW = 1 / 3  # of the image's longest side, so that the surroundings stay recognisable

# Okabe and Ito's palette without black, brightest first: all stand out from grey
CLASS_COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
    (0, 114, 178),
)


def draw_overlay(
    image: NDArray[Any],
    reference: NDArray[Any],
    prediction: NDArray[Any],
    spacing_mm: Sequence[float],
    window: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Draw the slice with the largest reference area, cut to the surroundings of what is marked.

    Shown as radiologists see it: the patient's right on the left, anterior (axial) or superior on top.

    Args:
        image: (I, J, K) intensities in RAS+, any real dtype.
        reference, prediction: (I, J, K) class values, 0 is background.
        spacing_mm: voxel size along I, J, K; pixels are stretched to their true proportions.
        window: intensities shown as black and as white; None takes the 1st and 99th percentile of the view.

    Returns:
        (360, 360, 3) RGB, black where the view ends.
    """
    axis = slice_axis(image.shape, spacing_mm)
    index = largest_slice(reference if reference.any() else prediction, axis)
    planes = [displayed(np.take(volume, index, axis)) for volume in (image, reference, prediction)]
    scale = in_plane(spacing_mm, axis)
    view = surroundings((planes[1] > 0) | (planes[2] > 0), scale)
    grey, reference_plane, prediction_plane = (plane[view] for plane in planes)
    return draw_plane(grey, reference_plane, prediction_plane, scale, window)


def draw_plane(
    grey: Plane,
    reference: Plane,
    prediction: Plane,
    spacing_mm: tuple[float, float],
    window: tuple[float, float] | None,
) -> NDArray[np.uint8]:
    """Draw what is shown of one slice.

    Args:
        grey, reference, prediction: (rows, columns) as displayed; intensities and class values.
        spacing_mm: pixel size down and across.
        window: as in ``draw_overlay``.

    Returns:
        (360, 360, 3) RGB, black where the planes end.
    """
    shape = _picture_shape(grey.shape, spacing_mm)
    picture = np.repeat(_resized(_grey(grey.astype(np.float32), window), shape)[..., None], 3, axis=2)
    values = [int(value) for value in np.union1d(reference, prediction) if value]
    for value in values:
        fill = _resized(prediction == value, shape) > 0.5
        picture[fill] = (1 - FILL_OPACITY) * picture[fill] + FILL_OPACITY * np.array(class_colour(value))
    for value in values:
        picture[_outline(_resized(reference == value, shape) > 0.5)] = class_colour(value)
    return _on_square(np.clip(np.rint(picture), 0, 255).astype(np.uint8))


def displayed(plane: NDArray[Any]) -> Plane:
    """A slice of a RAS+ volume as radiologists see it: rows downwards, the patient's right on the left."""
    return plane[::-1, ::-1].T


def in_plane(spacing_mm: Sequence[float], axis: int) -> tuple[float, float]:
    """Pixel size down and across of a displayed slice across an axis."""
    across, down = (float(spacing_mm[other]) for other in range(3) if other != axis)
    return down, across


def class_colour(value: int) -> tuple[int, int, int]:
    """RGB of a class value from 1 on; the eighth class has the first one's colour again."""
    return CLASS_COLOURS[(value - 1) % len(CLASS_COLOURS)]


def largest_slice(mask: NDArray[Any], axis: int) -> int:
    """Index of the slice with most marked voxels, the middle one where nothing is marked."""
    others = tuple(other for other in range(mask.ndim) if other != axis)
    areas = np.count_nonzero(mask, axis=others)
    return int(areas.argmax()) if areas.any() else mask.shape[axis] // 2


def surroundings(marked: Plane, spacing_mm: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns of a square in mm around what is marked, within the image; all of it where nothing is."""
    if not marked.any():
        return slice(None), slice(None)
    extents = [np.flatnonzero(marked.any(axis=1 - axis))[[0, -1]] for axis in (0, 1)]
    lengths = [(last - first + 1) * mm for (first, last), mm in zip(extents, spacing_mm, strict=True)]
    whole = max(n * mm for n, mm in zip(marked.shape, spacing_mm, strict=True))
    side_mm = max(SHOWN_PER_OBJECT * max(lengths), SMALLEST_VIEW * whole)
    rows, columns = (
        _interval((first + last + 1) / 2, side_mm / mm, n)
        for (first, last), mm, n in zip(extents, spacing_mm, marked.shape, strict=True)
    )
    return rows, columns


def _interval(centre: float, length: float, limit: int) -> slice:
    """Voxels of a stretch around a centre, moved to lie within the image where it fits."""
    count = min(limit, max(1, round(length)))
    start = min(max(0, round(centre - count / 2)), limit - count)
    return slice(start, start + count)


def _picture_shape(shape: tuple[int, ...], spacing_mm: tuple[float, float]) -> tuple[int, int]:
    lengths = [n * mm for n, mm in zip(shape, spacing_mm, strict=True)]
    rows, columns = (max(1, round(PICTURE_PIXELS * length / max(lengths))) for length in lengths)
    return rows, columns


def _grey(plane: Plane, window: tuple[float, float] | None) -> Plane:
    """Intensities as 0 to 255."""
    low, high = window if window else np.percentile(plane, [1, 99])
    return np.clip((plane - low) / max(high - low, 1e-6), 0, 1) * 255


def _resized(plane: Plane, shape: tuple[int, int]) -> NDArray[np.float32]:
    source = PIL.Image.fromarray(plane.astype(np.float32))
    return np.array(source.resize(shape[::-1], PIL.Image.Resampling.BILINEAR))


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask's outermost two pixels."""
    inner = mask
    for _ in range(2):
        padded = np.pad(inner, 1)
        inner = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _on_square(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    square = np.zeros((PICTURE_PIXELS, PICTURE_PIXELS, 3), dtype=np.uint8)
    top, left = ((PICTURE_PIXELS - n) // 2 for n in picture.shape[:2])
    square[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return square
