"""How many multiply-adds a network's forward pass takes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from medseg.models.adapter import Segmenter


@runtime_checkable
class Detector(Protocol):
    """A network whose work depends on how much it detects."""

    def detect_most(self) -> None:
        """From now on have all the detections that it may have, whatever the image."""
        ...


def patch_multiply_adds(network: Segmenter, channels: int, size: Sequence[int]) -> int:
    """Of predicting one patch, counted without computing it; the network itself and all random states stay as they are.

    Takes a copy of the weights in memory, for less than two seconds even with large networks.
    """
    with torch.random.fork_rng(devices=()):
        counted = copy.deepcopy(network)
        device = ready_to_count(counted)
        return multiply_adds(counted, torch.randn(1, channels, *size, device=device))


def ready_to_count(network: Segmenter) -> torch.device:
    """Move a network to the device where its work is counted, and have a detector do all that it may have to."""
    device = torch.device("meta")
    if isinstance(network.network, Detector):
        network.network.detect_most()
        device = torch.device("cpu")
    network.to(device)
    return device


@torch.no_grad()
def multiply_adds(network: nn.Module, image: torch.Tensor) -> int:
    """Of predicting one image (1, C, *size), in convolutions and matrix products; one of each pair is the addition."""
    with FlopCounterMode(display=False) as counter:
        network.eval()(image)
    return counter.get_total_flops() // 2
