"""Mask R-CNN of torchvision, trained on instances made from class maps and read as class scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import masks_to_boxes

from medseg.models.first_layer import first_convolution

ENCODERS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
LEVELS = 5  # of the feature pyramid
ASPECT_RATIOS = (0.5, 1.0, 2.0)
EIGHT_NEIGHBOURS = np.ones((3, 3))
SMALLEST_SCORE = 1e-6  # keeps logits finite


class SemanticMaskRcnn(MaskRCNN):
    """Mask R-CNN (arXiv:1703.06870) that keeps the promises of a segmentation network.

    Args:
        backbone: gives the maps of the feature pyramid.
        settings: passed on to the library.
    """

    def __init__(self, backbone: nn.Module, classes: int, **settings: Any) -> None:
        super().__init__(backbone, classes, **settings)
        self.transform = AsGiven()
        self._classes = classes

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to logits (B, classes, H, W); only in eval mode, since training asks for ``own_loss``."""
        with _full_precision(image):
            scores = [class_scores(detections, self._classes) for detections in super().forward(list(image))]
        return torch.stack(scores).clamp(min=SMALLEST_SCORE).log()

    def own_loss(self, image: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Sum of the published losses: objectness and boxes of proposals; classes, boxes and masks of detections."""
        with _full_precision(image):
            losses = super().forward(list(image), [instances(class_map) for class_map in reference[:, 0]])
        return torch.stack(list(losses.values())).sum()

    def detect_most(self) -> None:
        """Suppress nothing, so that every image has all the proposals and detections that it may have."""
        self.rpn.nms_thresh = self.roi_heads.nms_thresh = 1.0


def _full_precision(image: torch.Tensor) -> torch.autocast:
    """The library decodes boxes in the type of its convolutions: with 16 bits they step by many pixels."""
    return torch.autocast(image.device.type, enabled=False)


class AsGiven(GeneralizedRCNNTransform):
    """Leaves intensities and sizes as preprocessing made them, and only pads images to a multiple of 32."""

    def __init__(self) -> None:
        super().__init__(min_size=0, max_size=0, image_mean=[], image_std=[])

    def normalize(self, image: torch.Tensor) -> torch.Tensor:
        return image

    def resize(
        self, image: torch.Tensor, target: dict[str, torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor] | None]:
        return image, target


def instances(class_map: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the detector learns from: every connected part (8 neighbours) of a class is an object.

    Args:
        class_map: (H, W) integers, 0 is background.

    Returns:
        ``masks`` (N, H, W) uint8, ``labels`` (N,) and ``boxes`` (N, 4) as x, y of the first and of the last pixel,
        which is how the library crops and pastes masks; a part of one row or column gets a box one pixel larger.
        N is 0 where there is no object.
    """
    values = class_map.cpu().numpy()
    masks, labels = [], []
    for value in np.unique(values[values > 0]):
        parts, count = ndimage.label(values == value, EIGHT_NEIGHBOURS)
        masks += [parts == part for part in range(1, count + 1)]
        labels += [int(value)] * count
    stacked = torch.from_numpy(np.array(masks, np.uint8).reshape(-1, *values.shape)).to(class_map.device)
    boxes = masks_to_boxes(stacked)
    boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    return {
        "boxes": boxes,
        "labels": torch.tensor(labels, dtype=torch.int64, device=class_map.device),
        "masks": stacked,
    }


def class_scores(detections: dict[str, torch.Tensor], classes: int) -> torch.Tensor:
    """Scores of the classes at every pixel.

    A detection gives its pixels the probability that it is right and that they belong to it: the product of its score
    and its mask. Of a class's detections the largest counts; background gets what is left of 1, and the sum is scaled
    to 1 where classes claim more. For the classes of a single box this is exact, since its scores exclude each other.

    Args:
        detections: of one image, with ``scores`` (N,), ``labels`` (N,) and ``masks`` (N, 1, H, W) probabilities.

    Returns:
        (classes, H, W), summing to 1.
    """
    claims = detections["scores"].float()[:, None, None] * detections["masks"][:, 0].float()
    nothing = claims.new_zeros(1, *claims.shape[1:])
    claims_of = [torch.cat([nothing, claims[detections["labels"] == value]]) for value in range(1, classes)]
    foreground = torch.stack([claims.amax(0) for claims in claims_of])
    background = (1 - foreground.sum(0, keepdim=True)).clamp(min=0)
    scores = torch.cat([background, foreground])
    return scores / scores.sum(0)


def build(
    in_channels: int,
    classes: int,
    encoder: str,
    anchor_sizes: Sequence[int],
    proposals: int,
    sampled_boxes: int,
    detections: int,
    score_threshold: float,
) -> nn.Module:
    """Mask R-CNN with a feature pyramid, random weights, and batch normalisation that is trained.

    Args:
        encoder: the library's name of a ResNet.
        anchor_sizes: side in pixels of the boxes that are tried first, on every level of the pyramid from the finest.
        proposals: boxes per image that are classified.
        sampled_boxes: proposals per image, out of twice as many, that training classifies.
        detections: the best per image, over all classes, of those that score more than ``score_threshold``.

    Raises:
        ValueError: no such encoder, or another number of anchor sizes than levels.
    """
    if encoder not in ENCODERS:
        raise ValueError(f"encoder = {encoder!r}; choices: {', '.join(ENCODERS)}")
    if len(anchor_sizes) != LEVELS:
        raise ValueError(f"anchor_sizes must hold one size for each of {LEVELS} levels, got {list(anchor_sizes)}")
    backbone = resnet_fpn_backbone(backbone_name=encoder, weights=None, norm_layer=nn.BatchNorm2d, trainable_layers=5)
    backbone.body.conv1 = first_convolution(in_channels)
    return SemanticMaskRcnn(
        backbone,
        classes,
        rpn_anchor_generator=AnchorGenerator([(size,) for size in anchor_sizes], [ASPECT_RATIOS] * LEVELS),
        rpn_post_nms_top_n_train=2 * proposals,
        rpn_post_nms_top_n_test=proposals,
        box_batch_size_per_image=sampled_boxes,
        box_detections_per_img=detections,
        box_score_thresh=score_threshold,
    )
