"""What training minimises."""

from __future__ import annotations

from monai.losses import DiceCELoss
from torch import nn


def dice_cross_entropy() -> nn.Module:
    """Soft Dice over the foreground classes plus cross-entropy, equally weighted (nnU-Net's loss).

    Takes logits (B, classes, *size) and references (B, 1, *size) of class values. Dice is summed over the batch, so
    that a patch without a class does not push its Dice term to 1.
    """
    return DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, batch=True)
