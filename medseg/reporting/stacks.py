"""Slices of a case, all cut to the same view, one below the other in one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from medseg.data.image import slice_axis
from medseg.reporting.overlays import displayed, draw_plane, in_plane, surroundings

MARGIN_SLICES = 1  # shown before and behind what is marked
# method 4, the usual one, takes twice the time for 5% fewer bytes
WEBP: dict[str, Any] = {"format": "WEBP", "quality": 80, "method": 2}
JPEG: dict[str, Any] = {"format": "JPEG", "quality": 80, "subsampling": 0, "optimize": True}


@dataclass(frozen=True)
class Marks:
    """Where something is marked in a volume; those of several masks add up.

    Attributes:
        plane: (rows, columns) of the displayed slice: marked in any slice.
        areas: (slices,) marked voxels.
    """

    plane: NDArray[np.bool_]
    areas: NDArray[np.int64]

    def __add__(self, other: Marks) -> Marks:
        return Marks(self.plane | other.plane, self.areas + other.areas)

    @property
    def largest(self) -> int:
        """The slice with most of it, the middle one where nothing is marked."""
        return int(self.areas.argmax()) if self.areas.any() else len(self.areas) // 2


@dataclass(frozen=True)
class Frame:
    """Which part of a case is shown.

    Attributes:
        axis: that the slices are cut across.
        slices: their indices along it.
        start: the place in ``slices`` of the one that is shown first.
        depth: slices that the volume has.
        view: rows and columns of a displayed slice.
    """

    axis: int
    slices: tuple[int, ...]
    start: int
    depth: int
    view: tuple[slice, slice]


@dataclass(frozen=True)
class Stack:
    """A frame's slices as pictures.

    Attributes:
        webp: all of them, the first on top.
        jpeg: the one that is shown first, alone: a PDF would hold all others too, though only one can be seen.
    """

    webp: bytes
    jpeg: bytes


def marks_of(mask: NDArray[np.integer], spacing_mm: Sequence[float]) -> Marks:
    """Where a volume (I, J, K) of class values is not background."""
    axis = slice_axis(mask.shape, spacing_mm)
    marked = mask > 0
    others = tuple(other for other in range(3) if other != axis)
    return Marks(displayed(np.asarray(marked.any(axis))), np.count_nonzero(marked, axis=others))


def frame_around(marks: Marks, leading: Marks, axis: int, spacing_mm: Sequence[float], most: int) -> Frame:
    """The surroundings of what is marked, in evenly spread slices, at most so many.

    Args:
        leading: whose largest slice is shown first; that of all marks where it marks nothing.
        axis: that the marks were counted across.
    """
    chosen = (leading if leading.areas.any() else marks).largest
    slices = _spread(marks.areas, chosen, most)
    view = surroundings(marks.plane, in_plane(spacing_mm, axis))
    return Frame(axis, slices, slices.index(chosen), len(marks.areas), view)


def draw_stack(
    image: NDArray,
    reference: NDArray[np.integer],
    prediction: NDArray[np.integer],
    spacing_mm: Sequence[float],
    frame: Frame,
    window: tuple[float, float] | None,
) -> Stack:
    """The frame's slices, each 360 x 360 pixels; equal bytes for equal voxels.

    Args:
        image, reference, prediction: (I, J, K), as in ``draw_overlay``.
        window: None takes the 1st and 99th percentile of what is shown, the same for all slices.
    """
    planes = [
        [displayed(np.take(volume, index, frame.axis))[frame.view] for index in frame.slices]
        for volume in (image, reference, prediction)
    ]
    if window is None:
        low, high = np.percentile(np.stack(planes[0]), [1, 99])
        window = float(low), float(high)
    scale = in_plane(spacing_mm, frame.axis)
    pictures = [
        draw_plane(grey, expected, predicted, scale, window) for grey, expected, predicted in zip(*planes, strict=True)
    ]
    return Stack(_encoded(np.concatenate(pictures), WEBP), _encoded(pictures[frame.start], JPEG))


def _encoded(picture: NDArray[np.uint8], options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(picture).save(buffer, **options)
    return buffer.getvalue()


def _spread(areas: NDArray[np.int64], chosen: int, most: int) -> tuple[int, ...]:
    """Indices around and through the marked slices, among them the chosen one."""
    places = np.flatnonzero(areas)
    if not places.size:
        return (chosen,)
    low, high = max(0, places[0] - MARGIN_SLICES), min(len(areas) - 1, places[-1] + MARGIN_SLICES)
    indices = np.unique(np.rint(np.linspace(low, high, min(most, high - low + 1))).astype(int))
    indices[np.abs(indices - chosen).argmin()] = chosen
    return tuple(indices.tolist())
