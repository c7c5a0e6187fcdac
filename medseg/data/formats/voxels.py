"""What the voxels of a volume must be, whatever file they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.data.image import Image
from medseg.errors import RejectedFileError


def check_finite(array: NDArray, path: Path) -> None:
    """Refuse voxels that are no numbers.

    Raises:
        RejectedFileError: ``non-finite-voxels``.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int(array.size - np.isfinite(array).sum())
        raise RejectedFileError("non-finite-voxels", f"{count} of {array.size} voxels are NaN or infinite", path)


def whole_numbers(image: Image, path: Path) -> Image:
    """Class values as integers.

    Raises:
        RejectedFileError: ``non-integer-values``.
    """
    if image.array.dtype.kind != "f":
        return image
    rounded = np.rint(image.array)
    if not np.array_equal(rounded, image.array):
        example = image.array[rounded != image.array][0]
        raise RejectedFileError("non-integer-values", f"class values must be whole numbers, found {example:g}", path)
    return Image(rounded.astype(np.int64), image.affine)
