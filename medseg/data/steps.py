"""The steps of a plan that turn one case into training arrays, and the way back to its native grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import Plan
from medseg.data.normalize import normalize
from medseg.data.resample import Box, resample_image, resample_reference, target_shape
from medseg.types import Shape3, Spacing3

ValueT = TypeVar("ValueT", bound=np.generic)


@dataclass(frozen=True)
class NativeGrid:
    """Where preprocessed voxels lie among those of the data set's image.

    Attributes:
        shape: voxels of the image along I, J, K.
        start, stop: first and last-plus-one voxel along each axis of the box that was cut out.
    """

    shape: Shape3
    start: Shape3
    stop: Shape3

    @classmethod
    def of(cls, image: NDArray, crop: bool) -> NativeGrid:
        """The grid of ``image`` (C, I, J, K), cut to its ``nonzero_box`` with ``crop``."""
        i, j, k = image.shape[1:]
        box = nonzero_box(image) if crop else (slice(0, i), slice(0, j), slice(0, k))
        return cls((i, j, k), (box[0].start, box[1].start, box[2].start), (box[0].stop, box[1].stop, box[2].stop))

    @property
    def box(self) -> Box:
        i, j, k = (slice(start, stop) for start, stop in zip(self.start, self.stop, strict=True))
        return i, j, k

    @property
    def box_shape(self) -> Shape3:
        i, j, k = (stop - start for start, stop in zip(self.start, self.stop, strict=True))
        return i, j, k

    def put_back(self, box: NDArray[ValueT]) -> NDArray[ValueT]:
        """Values of the box become those of the whole image: 0, which is background, lies around it."""
        if self.box_shape == self.shape:
            return box
        whole = np.zeros(self.shape, box.dtype)
        whole[self.box] = box
        return whole


@dataclass(frozen=True)
class PreparedCase:
    """One case as networks see it.

    Attributes:
        image: (C, I, J, K), reference: (I, J, K) on the plan's grid.
        native: the way back.
    """

    image: NDArray[np.float32]
    reference: NDArray[np.uint8]
    native: NativeGrid


def prepare_case(image: NDArray, reference: NDArray[np.uint8], spacing_mm: Spacing3, plan: Plan) -> PreparedCase:
    """Crop, normalise and resample one RAS+ case: ``image`` (C, I, J, K), ``reference`` (I, J, K)."""
    native = NativeGrid.of(image, plan.crops)
    shape = planned_shape(native.box_shape, spacing_mm, plan)
    scaled = normalize(image[(slice(None), *native.box)], plan.normalization)
    return PreparedCase(
        image=resample_image(scaled, shape, spacing_mm),
        reference=resample_reference(np.ascontiguousarray(reference[native.box]), shape),
        native=native,
    )


def planned_shape(shape: Shape3, spacing_mm: Spacing3, plan: Plan) -> Shape3:
    """Voxels along I, J, K of a case on the plan's grid."""
    if plan.size:
        return (*plan.size, shape[2])
    return target_shape(shape, spacing_mm, plan.spacing_mm) if plan.spacing_mm else shape


def nonzero_box(image: NDArray) -> Box:
    """The smallest box with every voxel that is not 0 in some channel (nnU-Net's crop); all of an image of zeros.

    Args:
        image: (C, I, J, K).
    """
    filled: NDArray[np.bool_] = np.any(image, axis=0)
    spans = []
    for axis, length in enumerate(filled.shape):
        others = tuple(other for other in range(3) if other != axis)
        used = np.flatnonzero(filled.any(axis=others))
        spans.append(slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, length))
    return spans[0], spans[1], spans[2]
