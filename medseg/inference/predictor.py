"""From a preprocessed image to classes and foreground probability on the scanner's own grid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medseg.artifacts import Plan
from medseg.data.resample import argmax_of, resample_linear
from medseg.inference.sliding_window import window_scores
from medseg.types import Prediction, Shape3

SLICES_PER_BATCH = 16


class Predictor:
    """A trained network and all that is needed to apply it.

    Args:
        dimensions: 2 for networks that see slices across ``plan.slice_axis``.
        mirror_axes: average over flips along these axes of a patch, which should be those that training used.
        amp: mixed precision on GPUs, as in training.
    """

    def __init__(
        self,
        network: nn.Module,
        plan: Plan,
        dimensions: int,
        overlap: float,
        mirror_axes: Sequence[int] = (),
        amp: bool = True,
    ) -> None:
        self._network = network.eval()
        self._plan = plan
        self._dimensions = dimensions
        self._overlap = overlap
        self._mirror_axes = mirror_axes
        self._amp = amp
        self._device = next(network.parameters()).device

    @torch.no_grad()
    def scores(self, image: NDArray[np.float32]) -> torch.Tensor:
        """(C, I, J, K) preprocessed intensities to (classes, I, J, K) softmax scores on the CPU."""
        if self._dimensions == 3:
            assert self._plan.patch_3d is not None
            return self._window(torch.from_numpy(image)[None], self._plan.patch_3d)[0]
        axis = 1 + self._plan.slice_axis
        slices = torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, axis, 0)))
        parts = [self._window(part, self._plan.patch_2d) for part in slices.split(SLICES_PER_BATCH)]
        return torch.cat(parts).movedim(0, axis)

    def predict(self, image: NDArray[np.float32], native_shape: Shape3) -> Prediction:
        """Classes and foreground probability: scores are resampled linearly, then the largest wins.

        Args:
            native_shape: voxels that ``image`` was resampled from: of the native image, or of the box cut out of it.
        """
        scores = self.scores(image)
        if scores.shape[1:] == native_shape:
            return Prediction(scores.argmax(0).to(torch.uint8).numpy(), _foreground(scores[0].numpy()))
        # one class at a time: all classes of a large scan at full size do not fit into memory
        background = resample_linear(scores[0].numpy(), native_shape)
        others = (resample_linear(one.numpy(), native_shape) for one in scores[1:])
        return Prediction(argmax_of(chain([background], others)), _foreground(background))

    def _window(self, image: torch.Tensor, window: tuple[int, ...]) -> torch.Tensor:
        scores = window_scores(
            self._network, image.to(self._device), window, self._overlap, self._mirror_axes, self._amp
        )
        return scores.cpu()


def _foreground(background: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probability of anything but background, without the rounding errors that leave [0, 1].

    Where scores are NaN it is 0, for the class map has background there too.
    """
    foreground = np.nan_to_num(1 - background, copy=False, nan=0.0)
    return np.clip(foreground, 0, 1, out=foreground)
