"""For how long an encoder keeps the weights that it was given."""

from __future__ import annotations

import math
from typing import Literal

from medseg.models.adapter import Segmenter


class Freezing:
    """Keeps an encoder as it is for the first epochs, its normalisation statistics too.

    Frozen weights get no gradient, so that neither gradient clipping nor weight decay know of them, and the backward
    pass ends before the encoder. Weights that the network itself leaves out of training stay left out.

    Args:
        frozen_epochs: from the first; ``all`` never thaws the encoder.
    """

    def __init__(self, network: Segmenter, frozen_epochs: int | Literal["all"]) -> None:
        self._parameters = [parameter for parameter in network.encoder_parameters() if parameter.requires_grad]
        self._modules = network.encoder_modules()
        self._epochs = math.inf if frozen_epochs == "all" else frozen_epochs

    def apply(self, epoch: int) -> None:
        """Freeze or thaw for an epoch, counted from 0; to be called on a network in training mode."""
        frozen = epoch < self._epochs
        for parameter in self._parameters:
            parameter.requires_grad_(not frozen)
        if frozen:
            for module in self._modules:
                module.eval()
