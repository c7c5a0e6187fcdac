"""Whether a network can learn a few real scans by heart, under the recipe of its family."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import nibabel
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from medseg.config import UnitConfig
from medseg.metrics.aggregate import mean_of_defined
from medseg.models import registry
from medseg.stages.fit import class_dice
from medseg.training.losses import dice_cross_entropy
from medseg.training.optimization import learning_rate, make_optimizer, parameter_groups, set_learning_rate
from tests.conftest import SHARED_DATA

XRAYS = ("CHNCXR_0003_0", "CHNCXR_0006_0", "CHNCXR_0007_0", "CHNCXR_0014_0")
HIPPOCAMPI = ("hippocampus_001", "hippocampus_003")
SIZES = {2: (96, 96), 3: (32, 48, 32)}
LOOK_EVERY = 10  # steps between two looks at the score
ENOUGH = 0.90


@dataclass(frozen=True)
class Scene:
    """Scans (N, 1, *size) with mean 0 and standard deviation 1, and class values (N, 1, *size)."""

    images: torch.Tensor
    references: torch.Tensor
    classes: int


@dataclass(frozen=True)
class Learned:
    """Mean training Dice, the steps that were taken to it, and the median processor time of one (all threads)."""

    dice: float
    steps: int
    seconds_per_step: float


def load_scene(dims: int, size: Sequence[int] = ()) -> Scene:
    """Four chest X-rays with lungs, or two MR crops around the hippocampus with its two parts."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the real scans in {SHARED_DATA}")
    size = tuple(size) or SIZES[dims]
    pairs = [_xray(name, size) for name in XRAYS] if dims == 2 else [_hippocampus(name, size) for name in HIPPOCAMPI]
    images = [torch.from_numpy((image - image.mean()) / image.std()).float() for image, _ in pairs]
    references = [torch.from_numpy(reference).long() for _, reference in pairs]
    return Scene(torch.stack(images)[:, None], torch.stack(references)[:, None], classes=dims)


def overfit(unit: UnitConfig, scene: Scene, steps: int) -> Learned:
    """Train on all scans of the scene at once, until they are known well enough or ``steps`` are used up."""
    torch.manual_seed(0)
    network = registry.build(unit, 1, scene.classes)
    optimizer = make_optimizer(parameter_groups(network, unit.train), unit.train)
    criterion = dice_cross_entropy()
    seconds, dice, step = [], 0.0, 0
    while step < steps and dice < ENOUGH:
        network.train()
        start = time.process_time()
        set_learning_rate(optimizer, learning_rate(unit.train, step / steps))
        loss = network.loss(scene.images, scene.references, criterion)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), unit.train.gradient_clip)
        optimizer.step()
        seconds.append(time.process_time() - start)
        step += 1
        if step % LOOK_EVERY == 0:
            dice = _dice(network, scene)
    return Learned(dice, step, float(np.median(seconds)))


@torch.no_grad()
def _dice(network: torch.nn.Module, scene: Scene) -> float:
    network.eval()
    predictions = network(scene.images).argmax(1).numpy()
    pairs = zip(predictions, scene.references[:, 0].numpy(), strict=True)
    dice = [class_dice(prediction, reference, scene.classes - 1) for prediction, reference in pairs]
    return float(mean_of_defined(np.array(dice), axis=1).mean())


def _xray(name: str, size: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    folder = SHARED_DATA / "cxr_lung"
    (image_path,) = (folder / "images").glob(f"{name}.*")
    (mask_path,) = (folder / "masks").glob(f"{name}*")
    shape = (size[1], size[0])
    image = Image.open(image_path).convert("L").resize(shape, Image.Resampling.BILINEAR)
    mask = Image.open(mask_path).convert("L").resize(shape, Image.Resampling.NEAREST)
    return np.asarray(image, np.float32), (np.asarray(mask) > 0).astype(np.uint8)


def _hippocampus(name: str, size: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    folder = SHARED_DATA / "hippocampus_mri"
    image = nibabel.load(folder / "images" / f"{name}.nii.gz").get_fdata(dtype=np.float32)
    reference = np.asarray(nibabel.load(folder / "labels" / f"{name}.nii.gz").dataobj, np.uint8)
    return _centred(image, size), _centred(reference, size)


def _centred(array: NDArray, size: Sequence[int]) -> NDArray:
    """The middle of an array; what it lacks is repeated from its edge."""
    missing = [max(0, wanted - length) for wanted, length in zip(size, array.shape, strict=True)]
    padded = np.pad(array, [(gap // 2, gap - gap // 2) for gap in missing], mode="edge")
    starts = [(length - wanted) // 2 for wanted, length in zip(size, padded.shape, strict=True)]
    return padded[tuple(slice(start, start + wanted) for start, wanted in zip(starts, size, strict=True))]
