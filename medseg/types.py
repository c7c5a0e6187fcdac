"""The nouns every stage shares: a case, the geometry of its voxel grid, and what a model says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Shape3 = tuple[int, int, int]
Spacing3 = tuple[float, float, float]
Affine = NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """A voxel grid in scanner space.

    Attributes:
        shape: voxels along I, J, K; 2D data has K = 1.
        affine: 4x4, voxel index to RAS+ millimetres.
    """

    shape: Shape3
    affine: Affine

    def __post_init__(self) -> None:
        if self.affine.shape != (4, 4):
            raise ValueError(f"affine must be 4x4, got {self.affine.shape}")

    @property
    def spacing_mm(self) -> Spacing3:
        """Voxel size along I, J, K in mm: the lengths of the affine's columns."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    def matches(self, other: Geometry, tolerance_mm: float) -> bool:
        """True where both grids have one shape and no corner differs by more than ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], [1], indexing="ij"), dtype=float)
        corners = corners.reshape(4, -1)
        distance = np.linalg.norm(((self.affine - other.affine) @ corners)[:3], axis=0)
        return bool(distance.max() <= tolerance_mm)


@dataclass(frozen=True)
class Case:
    """One image of the canonical data set: a row of ``cases.parquet``.

    Attributes:
        case: file stem of the image and its reference.
        patient: owner of the case; splits never part a patient.
        split: ``train``, ``validation``, ``test`` where the source predefines it, else empty.
        shape: voxels along I, J, K.
        spacing_mm: voxel size along I, J, K.
        label: class of the whole image, in data sets for classification, else empty.
        facts: technical metadata from the whitelist, such as ``modality`` or ``manufacturer``; nothing that identifies.
    """

    case: str
    patient: str
    split: str
    shape: Shape3
    spacing_mm: Spacing3
    label: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """What a model says of one case, on the native grid.

    Attributes:
        classes: (I, J, K) uint8 class values.
        foreground: (I, J, K) float32 in [0, 1], probability of any class but background.
    """

    classes: NDArray[np.uint8]
    foreground: NDArray[np.float32]
