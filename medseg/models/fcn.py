"""Fully convolutional network of torchvision."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models.segmentation import FCN, fcn_resnet50

from medseg.models.adapter import Supervised
from medseg.models.first_layer import first_convolution


class SupervisedFcn(FCN):
    """FCN whose auxiliary head reaches the loss.

    Args:
        network: torchvision's, with or without an auxiliary head.
        auxiliary_weight: of that head's loss.
    """

    def __init__(self, network: FCN, auxiliary_weight: float) -> None:
        super().__init__(network.backbone, network.classifier, network.aux_classifier)
        self._auxiliary_weight = auxiliary_weight

    def forward(self, image: torch.Tensor) -> torch.Tensor | Supervised:
        """(B, C, H, W) to logits (B, classes, H / 8, W / 8), in training also those of the auxiliary head."""
        features = self.backbone(image)
        logits = self.classifier(features["out"])
        if self.aux_classifier is None or not self.training:
            return logits
        return Supervised(logits, ((self._auxiliary_weight, self.aux_classifier(features["aux"])),))


def build(in_channels: int, classes: int, auxiliary_weight: float) -> nn.Module:
    """FCN (Long et al. 2015) as torchvision has it, with random weights.

    A ResNet-50 with dilated convolutions in place of its last two strides, and one head; the paper has a VGG-16 and
    adds the scores of two earlier stages.

    Args:
        auxiliary_weight: of the loss of a second head on the last but one stage, 0.5 in torchvision's own training;
            with 0 the network has no such head.
    """
    network = fcn_resnet50(weights=None, weights_backbone=None, num_classes=classes, aux_loss=auxiliary_weight > 0)
    if in_channels != 3:
        network.backbone.conv1 = first_convolution(in_channels)
    return SupervisedFcn(network, auxiliary_weight)
