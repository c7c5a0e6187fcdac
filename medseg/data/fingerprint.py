"""What the training cases look like: shapes, voxel sizes and a bounded sample of foreground intensities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import Normalization
from medseg.data.normalize import HIGH_PERCENTILE, LOW_PERCENTILE
from medseg.data.steps import NativeGrid
from medseg.types import Shape3, Spacing3

SAMPLES_PER_CASE = 10_000  # foreground voxels; nnU-Net's fingerprint takes as many
SAMPLES = 4_000_000  # of all cases together: 16 MB per channel, however many cases there are


@dataclass(frozen=True)
class CasePrint:
    """What one training case adds to the fingerprint.

    Attributes:
        box_shape: voxels of the box that cropping leaves.
        intensities: (C, samples) of the foreground.
    """

    shape: Shape3
    spacing_mm: Spacing3
    box_shape: Shape3
    intensities: NDArray[np.float32]


def samples_per_case(cases: int) -> int:
    return max(1, min(SAMPLES_PER_CASE, SAMPLES // max(1, cases)))


def print_case(image: NDArray, reference: NDArray[np.uint8], spacing_mm: Spacing3, samples: int) -> CasePrint:
    """Look at one case; ``image`` is (C, I, J, K). Of its foreground at most ``samples`` voxels, evenly spread."""
    native = NativeGrid.of(image, crop=True)
    inside = np.flatnonzero(reference)
    i, j, k = np.unravel_index(inside[:: max(1, -(-len(inside) // samples))], reference.shape)
    return CasePrint(native.shape, spacing_mm, native.box_shape, image[:, i, j, k].astype(np.float32))


def unseen(shape: Shape3, spacing_mm: Spacing3, channels: int) -> CasePrint:
    """The print of a case whose voxels do not matter for the plan."""
    return CasePrint(shape, spacing_mm, shape, np.zeros((channels, 0), np.float32))


def pack(prints: Sequence[CasePrint]) -> bytes:
    """Some prints as one file."""
    file = BytesIO()
    np.savez(
        file,
        shape=[case.shape for case in prints],
        spacing_mm=[case.spacing_mm for case in prints],
        box_shape=[case.box_shape for case in prints],
        counts=[case.intensities.shape[1] for case in prints],
        intensities=np.concatenate([case.intensities for case in prints], axis=1),
    )
    return file.getvalue()


def unpack(data: bytes) -> list[CasePrint]:
    """What ``pack`` packed."""
    with np.load(BytesIO(data), allow_pickle=False) as file:
        parts = np.split(file["intensities"], np.cumsum(file["counts"])[:-1], axis=1)
        columns = (file["shape"].tolist(), file["spacing_mm"].tolist(), file["box_shape"].tolist(), parts)
    return [CasePrint(tuple(a), tuple(b), tuple(c), d) for a, b, c, d in zip(*columns, strict=True)]


class Fingerprint:
    """All training cases together; their order does not matter."""

    def __init__(self, prints: Sequence[CasePrint]) -> None:
        self.shapes = [case.shape for case in prints]
        self.box_shapes = [case.box_shape for case in prints]
        self.spacings_mm = [case.spacing_mm for case in prints]
        samples = np.concatenate([case.intensities for case in prints], axis=1)
        self._intensities = np.sort(samples, axis=1)  # sums in one order are the same on every machine

    @property
    def box_share(self) -> float:
        """Median share of a volume that cropping would leave."""
        return float(np.median(np.prod(self.box_shapes, axis=1) / np.prod(self.shapes, axis=1)))

    def normalization(self, method: str) -> tuple[Normalization, ...]:
        """One entry per channel; only ``ct`` carries statistics of the training foreground."""
        if method != "ct" or not self._intensities.size:
            method = "percentile" if method == "ct" else method
            return tuple(Normalization(method=method) for _ in self._intensities)  # type: ignore[arg-type]
        return tuple(_statistics(channel) for channel in self._intensities)


def _statistics(channel: NDArray[np.float32]) -> Normalization:
    low, high = np.percentile(channel, (LOW_PERCENTILE, HIGH_PERCENTILE))
    inside = np.clip(channel, low, high).astype(np.float64)
    return Normalization(method="ct", low=low, high=high, mean=inside.mean(), std=inside.std())
