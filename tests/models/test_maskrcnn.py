"""Mask R-CNN keeps the common promises, and class maps and objects are turned into each other."""

from __future__ import annotations

import torch

from medseg.models.maskrcnn import AsGiven, class_scores, instances
from tests.models.base import ModelTests


class TestMaskRcnn(ModelTests):
    name = "maskrcnn"
    millions = 43.98
    counted_at = (3, 2)
    small = {
        "encoder": "resnet18",
        "anchor_sizes": [8, 16, 32, 64, 128],
        "proposals": 50,
        "sampled_boxes": 8,
        "detections": 4,
    }
    learns_at = (64, 64)

    def test_images_without_any_object_train_too(self) -> None:
        network = self.network().train()
        nothing = torch.zeros(2, 1, 64, 64, dtype=torch.int64)
        loss = network.network.own_loss(self.images(), nothing)
        loss.backward()
        assert torch.isfinite(loss)
        assert all(weight.grad is not None for weight in network.parameters())


def test_two_squares_and_a_pixel_are_three_objects() -> None:
    class_map = torch.zeros(6, 8, dtype=torch.int64)
    class_map[0:2, 0:2] = 1
    class_map[3:6, 1:4] = 1
    class_map[5, 7] = 2
    objects = instances(class_map)
    assert objects["labels"].tolist() == [1, 1, 2]
    assert objects["masks"].sum((1, 2)).tolist() == [4, 9, 1]
    assert objects["boxes"].tolist() == [[0, 0, 1, 1], [1, 3, 3, 5], [7, 5, 8, 6]]


def test_parts_that_touch_at_a_corner_are_one_object() -> None:
    assert len(instances(torch.eye(4, dtype=torch.int64))["labels"]) == 1


def test_of_two_detections_of_a_class_the_surer_counts() -> None:
    scores = class_scores(_detections((0.9, 1, 0.5), (0.6, 1, 1.0)), classes=2)
    torch.testing.assert_close(scores, torch.tensor([0.4, 0.6])[:, None, None])


def test_classes_that_claim_more_than_all_share_it() -> None:
    scores = class_scores(_detections((0.9, 1, 1.0), (0.6, 2, 1.0)), classes=3)
    torch.testing.assert_close(scores, torch.tensor([0.0, 0.6, 0.4])[:, None, None])


def test_without_detections_all_is_background() -> None:
    assert class_scores(_detections(), classes=3)[:, 0, 0].tolist() == [1, 0, 0]


def test_intensities_and_sizes_reach_the_network_as_given() -> None:
    image = torch.randn(1, 20, 50)
    batch, _ = AsGiven()([image])
    assert batch.tensors.shape == (1, 1, 32, 64)
    assert torch.equal(batch.tensors[0, :, :20, :50], image)


def _detections(*found: tuple[float, int, float]) -> dict[str, torch.Tensor]:
    """Of a picture of one pixel: score, class and mask probability of each."""
    scores, labels, masks = zip(*found, strict=True) if found else ((), (), ())
    return {
        "scores": torch.tensor(scores),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "masks": torch.tensor(masks).reshape(-1, 1, 1, 1),
    }
