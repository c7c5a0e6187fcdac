"""The optimizer, and how its learning rate moves over the budget."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch

from medseg.config import TrainConfig
from medseg.models.adapter import Segmenter

POLYNOMIAL_POWER = 0.9


def parameter_groups(network: Segmenter, config: TrainConfig) -> list[dict[str, Any]]:
    """The weights of the encoder and all others, each with the ``factor`` of its learning rate."""
    encoder = network.encoder_parameters()
    inside = {id(parameter) for parameter in encoder}
    others = [parameter for parameter in network.parameters() if id(parameter) not in inside]
    groups = [
        {"params": others, "factor": 1.0},
        {"params": encoder, "factor": config.encoder.learning_rate_factor},
    ]
    return [group for group in groups if group["params"]]


def make_optimizer(
    parameters: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]], config: TrainConfig
) -> torch.optim.Optimizer:
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


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the rate times its factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


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
