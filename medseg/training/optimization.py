"""The optimizer and how its learning rate moves over the budget."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from medseg.config import TrainConfig

POLYNOMIAL_POWER = 0.9


def make_optimizer(parameters: Iterable[torch.nn.Parameter], config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW, or SGD with Nesterov momentum."""
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    return torch.optim.SGD(
        parameters,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
        nesterov=config.momentum > 0,
    )


def learning_rate(config: TrainConfig, progress: float) -> float:
    """Linear warm-up, then cosine or polynomial decay to 0.

    Args:
        progress: used part of the budget, 0 to 1, so that a budget in minutes and one in steps behave alike.
    """
    if progress < config.warmup_fraction:
        # never 0: the first step would be lost
        return config.learning_rate * max(progress / config.warmup_fraction, 0.01)
    rest = (progress - config.warmup_fraction) / (1 - config.warmup_fraction)
    left = min(max(1 - rest, 0.0), 1.0)
    if config.schedule == "cosine":
        return config.learning_rate * 0.5 * (1 - math.cos(math.pi * left))
    return config.learning_rate * left**POLYNOMIAL_POWER
