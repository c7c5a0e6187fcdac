"""Which class voxels were taken for, as a matrix of reference against prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def confusion_matrix(prediction: NDArray[Any], reference: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Count voxels by what they are and what they were predicted as; matrices of several cases add up.

    Args:
        prediction, reference: class values from 0 to ``classes - 1``, one shape, any integer dtype.

    Returns:
        (classes, classes): rows by reference, columns by prediction.

    Raises:
        ValueError: the shapes differ, or a value is none of the classes.
    """
    if prediction.shape != reference.shape:
        raise ValueError(f"prediction and reference must have one shape, got {prediction.shape} and {reference.shape}")
    for name, array in (("prediction", prediction), ("reference", reference)):
        if array.size and not 0 <= array.min() <= array.max() < classes:
            raise ValueError(f"{name} must hold values from 0 to {classes - 1}, got {array.min()} to {array.max()}")
    cell = np.min_scalar_type(classes**2 - 1)
    counts = np.zeros(classes**2, np.int64)
    for predicted, expected in zip(prediction, reference, strict=True):  # a slab at a time: bincount makes int64 of it
        cells = expected.astype(cell, copy=False) * cell.type(classes) + predicted.astype(cell, copy=False)
        counts += np.bincount(cells.reshape(-1), minlength=classes**2)
    return counts.reshape(classes, classes)
