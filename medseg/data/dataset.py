"""Training patches drawn from preprocessed arrays, each one fully determined by its number in the stream."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from medseg.artifacts import Plan
from medseg.config import TrainConfig
from medseg.data.arrays import CaseArrays
from medseg.data.transforms import augmentation


def patch_shape(plan: Plan, dimensions: int) -> tuple[int, int, int]:
    """Patch along I, J, K; one voxel along the slice axis for 2D networks."""
    if dimensions == 3:
        assert plan.patch_3d is not None, "a 3D network needs 3D data: checked when the recipe meets the data"
        return plan.patch_3d
    shape = list(plan.patch_2d)
    shape.insert(plan.slice_axis, 1)
    return shape[0], shape[1], shape[2]


class PatchDataset(Dataset[dict[str, torch.Tensor]]):
    """An endless stream of augmented patches; item ``n`` is the same in every process and after every restart.

    Items: ``image`` (C, *patch) float32 and ``reference`` (1, *patch) int64; 2D patches have two patch axes.
    """

    def __init__(
        self, folder: Path, cases: Sequence[str], plan: Plan, dimensions: int, config: TrainConfig, seed: int
    ) -> None:
        self._cases = [CaseArrays(folder, case) for case in cases]
        self._shape = patch_shape(plan, dimensions)
        self._squeeze = plan.slice_axis if dimensions == 2 else None
        self._classes = [value for value in plan.labels.values() if value]
        self._foreground_fraction = config.foreground_fraction
        self._augment = augmentation(config.augmentation, self._squeeze)
        self._seed = seed
        # what one pass over the training data is: every case, or every slice of every case
        self.samples = sum(1 if dimensions == 3 else case.reference.shape[plan.slice_axis] for case in self._cases)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng((self._seed, index))
        case = self._cases[self._case_of(index)]
        image, reference = self._read(case, self._start(case, rng))
        self._augment.set_random_state(seed=int(rng.integers(2**31)))
        item: Any = self._augment({"image": torch.from_numpy(image), "reference": torch.from_numpy(reference)[None]})
        return {"image": item["image"].float(), "reference": item["reference"].long()}

    def _case_of(self, index: int) -> int:
        """Every case once per round, each round in another order."""
        round_, position = divmod(index, len(self._cases))
        return int(np.random.default_rng((self._seed, round_, 1)).permutation(len(self._cases))[position])

    def _start(self, case: CaseArrays, rng: np.random.Generator) -> list[int]:
        """First voxel of the patch along each axis; negative where the patch is larger than the image."""
        sizes = case.reference.shape
        present = [value for value in self._classes if value in case.foreground]
        if present and rng.random() < self._foreground_fraction:
            position = rng.choice(case.foreground[int(rng.choice(present))])
            centre = np.unravel_index(position, sizes)
            start = [int(c) - length // 2 for c, length in zip(centre, self._shape, strict=True)]
        else:
            start = [int(rng.integers(0, max(1, n - length + 1))) for n, length in zip(sizes, self._shape, strict=True)]
        limits = zip(start, sizes, self._shape, strict=True)
        return [min(max(s, 0), n - p) if n > p else -((p - n) // 2) for s, n, p in limits]

    def _read(self, case: CaseArrays, start: list[int]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Voxels of the patch; outside the image intensities repeat the edge and the reference is background."""
        sizes = case.reference.shape
        spans = list(zip(start, self._shape, sizes, strict=True))
        window = tuple(slice(max(s, 0), min(s + p, n)) for s, p, n in spans)
        margins = [(max(-s, 0), max(s + p - n, 0)) for s, p, n in spans]
        image, reference = case.image[(slice(None), *window)], case.reference[window]
        if any(sum(margin) for margin in margins):
            image = np.pad(image, [(0, 0), *margins], mode="edge")
            reference = np.pad(reference, margins)
        if self._squeeze is not None:
            image, reference = image.squeeze(1 + self._squeeze), reference.squeeze(self._squeeze)
        return image, reference
