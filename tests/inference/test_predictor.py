"""Windows, flips and the way back to the native grid change nothing that the network said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from medseg.artifacts import Plan
from medseg.inference.predictor import Predictor


class Threshold(nn.Module):
    """Foreground where the intensity is above 0, whatever lies around it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(100.0))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([-image, image], dim=1) * self.weight


def predictor(
    dimensions: int, slice_axis: Any = 2, mirror_axes: tuple[int, ...] = (), network: nn.Module | None = None
) -> Predictor:
    plan = Plan(
        dataset_uri="d", dataset_version="v", labels={"background": 0, "bright": 1}, channels=1, dimensions=3,
        modality="mr", slice_axis=slice_axis,
        patch_2d=(8, 8), patch_3d=(8, 8, 8), fingerprint={},
    )  # fmt: skip
    return Predictor(network or Threshold(), plan, dimensions, overlap=0.5, mirror_axes=mirror_axes)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("shape", [(12, 17, 20), (3, 5, 4), (8, 8, 1)])
@pytest.mark.parametrize("mirror_axes", [(), (0,), (0, 1)])
def test_windows_and_flips_leave_a_local_network_unchanged(dimensions: int, shape: Any, mirror_axes: Any) -> None:
    image = np.random.default_rng(0).choice([-1.0, 1.0], (1, *shape)).astype(np.float32)
    prediction = predictor(dimensions, mirror_axes=mirror_axes).predict(image, shape)
    np.testing.assert_array_equal(prediction.classes, image[0] > 0)
    np.testing.assert_allclose(prediction.foreground, image[0] > 0)


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_slices_are_put_back_where_they_came_from(slice_axis: int) -> None:
    image = np.random.default_rng(1).choice([-1.0, 1.0], (1, 9, 10, 11)).astype(np.float32)
    np.testing.assert_array_equal(predictor(2, slice_axis).predict(image, (9, 10, 11)).classes, image[0] > 0)


def test_half_a_field_of_view_is_half_of_it_on_any_grid() -> None:
    image = np.full((1, 6, 6, 6), -1.0, np.float32)
    image[:, 3:] = 1.0
    classes = predictor(3).predict(image, (12, 6, 18)).classes
    assert classes.shape == (12, 6, 18)
    np.testing.assert_array_equal(classes, np.broadcast_to(np.arange(12)[:, None, None] >= 6, (12, 6, 18)))


def test_foreground_is_resampled_linearly_like_the_classes() -> None:
    """Twice the voxels of one step from 0 to 1: centres lie a quarter of a voxel beside the old ones."""
    image = np.array([-1.0, 1.0], np.float32).reshape(1, 2, 1, 1)
    foreground = predictor(3).predict(image, (4, 1, 1)).foreground
    np.testing.assert_allclose(foreground[:, 0, 0], [0, 0.25, 0.75, 1], atol=1e-6)


class Constant(Threshold):
    """Three classes with the same logits everywhere."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.tensor(self.logits).view(1, -1, 1, 1, 1).expand(len(image), -1, *image.shape[2:]).clone()


@pytest.mark.parametrize("native_shape", [(6, 6, 6), (9, 6, 4)])
def test_foreground_is_every_class_but_background(native_shape: Any) -> None:
    probabilities = (0.5, 0.2, 0.3)
    prediction = predictor(3, network=Constant(*np.log(probabilities))).predict(
        np.zeros((1, 6, 6, 6), np.float32), native_shape
    )
    assert prediction.foreground.dtype == np.float32
    np.testing.assert_allclose(prediction.foreground, np.full(native_shape, 0.5), rtol=1e-5)
    assert not prediction.classes.any()


def test_scores_that_are_no_numbers_are_background_in_both() -> None:
    nowhere = predictor(3, network=Constant(np.nan, 0.0, 0.0)).predict(np.zeros((1, 6, 6, 6), np.float32), (9, 6, 4))
    assert not nowhere.classes.any()
    assert not nowhere.foreground.any()


def test_scores_sum_to_one() -> None:
    scores = predictor(3).scores(np.random.default_rng(2).normal(size=(1, 11, 9, 10)).astype(np.float32))
    torch.testing.assert_close(scores.sum(0), torch.ones(11, 9, 10))
