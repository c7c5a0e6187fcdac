"""What the voxels of a volume must be, whatever file they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.data.image import Image
from medseg.errors import RejectedFileError

SCALING = 1e-3  # whole numbers that a file stores as 16 bits times a slope are read as 0.99998
LARGEST_CLASS = 2**24  # beyond it not every whole number is there as float32


def check_finite(array: NDArray, path: Path) -> None:
    """Refuse voxels that are no numbers.

    Raises:
        RejectedFileError: ``non-finite-voxels``.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int(array.size - np.isfinite(array).sum())
        raise RejectedFileError("non-finite-voxels", f"{count} of {array.size} voxels are NaN or infinite", path)


def whole_numbers(image: Image, path: Path) -> Image:
    """Class values as integers; what the scaling of a header left beside them is rounded.

    Raises:
        RejectedFileError: ``non-integer-values``, also for values too large to be told apart.
    """
    if image.array.dtype.kind != "f":
        return image
    rounded = np.rint(image.array)
    odd = image.array[np.abs(rounded - image.array) > SCALING]
    if odd.size:
        raise RejectedFileError("non-integer-values", f"class values must be whole numbers, found {odd[0]:g}", path)
    if (largest := np.abs(rounded).max(initial=0)) > LARGEST_CLASS:
        rule = f"class values must be within {LARGEST_CLASS} of 0 to be told apart"
        raise RejectedFileError("non-integer-values", f"{rule}, found {largest:g}", path)
    return Image(rounded.astype(np.int64), image.affine)
