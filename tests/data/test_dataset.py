"""Patches come from where they should, and each is fixed by its number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medseg.artifacts import Plan
from medseg.config import AugmentationConfig, TrainConfig
from medseg.data.dataset import PatchDataset
from tests.data.prepared import write_arrays

STILL = AugmentationConfig(flip=0, affine=0, brightness=0, contrast=0, gamma=0, noise=0)


def plan(patch_3d: tuple[int, int, int] = (4, 4, 4), patch_2d: tuple[int, int] = (4, 4), slice_axis: Any = 2) -> Plan:
    return Plan(
        dataset_uri="d", dataset_version="v", labels={"background": 0, "dot": 1}, channels=1, dimensions=3,
        modality="mr", slice_axis=slice_axis,
        patch_2d=patch_2d, patch_3d=patch_3d, fingerprint={},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One case whose voxels hold their own K index, with one foreground voxel at (1, 9, 5)."""
    image = np.broadcast_to(np.arange(8.0, dtype=np.float32), (1, 10, 12, 8))
    reference = np.zeros((10, 12, 8), np.uint8)
    reference[1, 9, 5] = 1
    write_arrays(tmp_path, "a", image, reference)
    return tmp_path


def patches(folder: Path, made: Plan, dimensions: int = 3, **settings: Any) -> PatchDataset:
    config = TrainConfig(**{"augmentation": STILL, "foreground_fraction": 1.0, **settings})
    return PatchDataset(folder, ["a"], made, dimensions, config, seed=0)


def test_a_foreground_patch_holds_the_foreground(folder: Path) -> None:
    item = patches(folder, plan())[0]
    assert item["image"].shape == (1, 4, 4, 4)
    assert item["reference"].sum() == 1


def test_a_2d_patch_is_the_slice_with_the_foreground(folder: Path) -> None:
    item = patches(folder, plan(), dimensions=2)[3]
    assert item["image"].shape == (1, 4, 4)
    assert item["image"].unique().tolist() == [5.0]
    assert item["reference"].sum() == 1


def test_slices_across_the_first_axis_show_the_other_two(folder: Path) -> None:
    item = patches(folder, plan(patch_2d=(12, 8), slice_axis=0), dimensions=2)[0]
    assert item["image"][0, 0].tolist() == list(range(8))


def test_a_patch_larger_than_the_image_repeats_its_edge(folder: Path) -> None:
    item = patches(folder, plan(patch_3d=(12, 12, 12)))[0]
    assert item["image"][0, 0, 0].tolist() == [0, 0, *range(8), 7, 7]
    assert item["reference"].sum() == 1


def test_item_n_is_the_same_in_every_process(folder: Path) -> None:
    settings = {"augmentation": AugmentationConfig(), "foreground_fraction": 0.5}
    one, two = patches(folder, plan(), **settings), patches(folder, plan(), **settings)
    for n in (0, 7, 10**6):
        torch.testing.assert_close(one[n]["image"], two[n]["image"], rtol=0, atol=0)
    assert not torch.equal(one[0]["image"], one[1]["image"])


def test_augmentation_never_invents_a_class(folder: Path) -> None:
    strong = AugmentationConfig(affine=1, rotation_degrees=90, noise=1, gamma=1)
    for item in (patches(folder, plan(), augmentation=strong)[n] for n in range(20)):
        assert set(item["reference"].unique().tolist()) <= {0, 1}
        assert item["image"].isfinite().all()
