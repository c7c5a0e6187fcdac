"""Which lesions, the connected components of a mask, a prediction found, missed and invented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import maximum_bipartite_matching

from medseg.metrics.overlap import ratio


@dataclass(frozen=True)
class Lesions:
    """Lesions of one class; a ratio is NaN where nothing was there to be counted.

    Attributes:
        found: reference lesions that a predicted one matches.
        invented: predicted lesions that match none of the reference.
        missed: reference lesions that no predicted one matches.
    """

    found: int
    invented: int
    missed: int

    def __add__(self, other: Lesions) -> Lesions:
        return Lesions(self.found + other.found, self.invented + other.invented, self.missed + other.missed)

    @property
    def sensitivity(self) -> float:
        """Part of the reference lesions that were found."""
        return ratio(self.found, self.found + self.missed)

    @property
    def precision(self) -> float:
        """Part of the predicted lesions that are there."""
        return ratio(self.found, self.found + self.invented)

    @property
    def f1(self) -> float:
        """2 found / (2 found + invented + missed)."""
        return ratio(2 * self.found, 2 * self.found + self.invented + self.missed)


def count_lesions(prediction: NDArray[Any], reference: NDArray[Any], iou: float) -> Lesions:
    """Match components that touch by face, edge or corner, one to one, so that as many as possible are found.

    Args:
        prediction, reference: bool masks of one shape, 2 or 3 axes.
        iou: smallest IoU, above 0, of a predicted and a reference component that match; Maier-Hein 2024, instance
            matching.
    """
    neighbours = np.ones((3,) * reference.ndim)
    predicted, predictions = ndimage.label(prediction, neighbours)
    expected, references = ndimage.label(reference, neighbours)
    matches = maximum_bipartite_matching(_overlapping(predicted, predictions, expected, references, iou))
    found = int((matches >= 0).sum())
    return Lesions(found, predictions - found, references - found)


def _overlapping(
    predicted: NDArray[Any], predictions: int, expected: NDArray[Any], references: int, iou: float
) -> sparse.csr_array:
    """(predictions, references), True where the IoU of two components is large enough: few of very many pairs."""
    both = (predicted > 0) & (expected > 0)
    places = predicted[both] - 1, expected[both] - 1
    shape = predictions, references
    shared = sparse.coo_array((np.ones(places[0].size), places), shape).tocsr().tocoo()  # which sums equal places
    first, second = shared.coords
    unions = _sizes(predicted, predictions)[first] + _sizes(expected, references)[second] - shared.data
    match = shared.data / unions >= iou
    return sparse.csr_array((match[match], (first[match], second[match])), shape)


def _sizes(components: NDArray[Any], count: int) -> NDArray[np.int64]:
    return np.bincount(components[components > 0] - 1, minlength=count)
