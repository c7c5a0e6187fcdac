"""What a network costs at a given input: parameters, multiply-adds and memory, counted without training it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from medseg.config import TrainConfig, UnitConfig
from medseg.errors import RecipeError
from medseg.models import registry
from medseg.models.adapter import Criterion, Segmenter
from medseg.models.operations import multiply_adds, ready_to_count

DEFAULT_SIZE = {2: (256, 256), 3: (96, 96, 96)}


@dataclass(frozen=True)
class Memory:
    """Bytes in 32-bit floats.

    Attributes:
        weights: with the buffers that are stored beside them.
        gradients: of all weights that are trained.
        optimizer: its state.
        activations: what the forward pass of a batch keeps for its backward pass, logits and loss included.
        training: the most in use at any moment of a step: all of the above, the batch and temporary values.
        inference: the most in use while one image is predicted: weights, image and temporary values.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    training: int
    inference: int


@dataclass(frozen=True)
class Profile:
    """Figures of one network at one input.

    Attributes:
        size: of an image or patch, per axis.
        batch_size: of training.
        multiply_adds: of the forward pass of one image, in convolutions and matrix products, those of attention
            included. Normalisation, activation functions, pooling and interpolation are left out, as papers do.
    """

    channels: int
    classes: int
    size: tuple[int, ...]
    batch_size: int
    parameters: int
    encoder_parameters: int
    multiply_adds: int
    memory: Memory


def profile(unit: UnitConfig, channels: int, classes: int, size: Sequence[int], criterion: Criterion) -> Profile:
    """Run one image forward, then a batch forward and backward, and watch what is computed and allocated.

    Nothing is computed in fact: the tensors lie on torch's ``meta`` device and have shapes alone. Only a detector
    really runs, on random images with as many detections as it may have.
    What libraries take besides (workspaces of convolutions, the CUDA context) is in no figure. Attention holds its
    whole matrix, which fused kernels avoid.

    Args:
        unit: its batch size is that of training.
        criterion: the loss of training.

    Raises:
        RecipeError: the model cannot take this size or batch, or a setting of its network is wrong.
    """
    check_size(unit, size)
    registry.check_batch_size(unit)
    batch_size = registry.batch_size(unit)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        # built where tensors have values, since some libraries read some while they build
        network = registry.build(unit, channels, classes)
        device = ready_to_count(network)
        images = torch.randn(batch_size, channels, *size, device=device)
        image = images[:1].clone()
        operations = multiply_adds(network, image)
        predicting = prediction_bytes(network, image)
        activations, training = training_bytes(network, images, _references(images, classes), criterion)
    weights = _bytes(_tensors(network))
    gradients = _bytes(_trained(network))
    optimizer = gradients * _states(unit.train)
    return Profile(
        channels=channels,
        classes=classes,
        size=tuple(size),
        batch_size=batch_size,
        parameters=sum(weight.numel() for weight in network.parameters()),
        encoder_parameters=sum(weight.numel() for weight in network.encoder_parameters()),
        multiply_adds=operations,
        memory=Memory(weights, gradients, optimizer, activations, weights + optimizer + training, weights + predicting),
    )


def check_size(unit: UnitConfig, size: Sequence[int]) -> None:
    """Stop on a size that the network cannot take.

    Raises:
        RecipeError: names the model, the value and the nearest size that it can take.
    """
    spec = registry.find(unit.model)
    if len(size) != spec.dims:
        raise RecipeError(
            f"models: {unit.model}: a size of {_shown(size)} does not fit a {spec.dims}D model, which needs"
            f" {spec.dims} numbers, e.g. {_shown(DEFAULT_SIZE[spec.dims])}"
        )
    nearest = spec.size.nearest(size, unit.network, registry.batch_size(unit))
    if nearest != tuple(size):
        raise RecipeError(
            f"models: {unit.model}: a size of {_shown(size)} is too small: its longest axis must reach"
            f" {max(nearest)}; the nearest one that it can take is {_shown(nearest)}"
        )


@torch.no_grad()
def prediction_bytes(network: Segmenter, image: torch.Tensor) -> int:
    """The most that is in use beside the weights while one image is predicted."""
    with _Allocated([*_tensors(network), image]) as allocated:
        network.eval()(image)
    return allocated.peak + _bytes([image])


def training_bytes(
    network: Segmenter, images: torch.Tensor, references: torch.Tensor, criterion: Criterion
) -> tuple[int, int]:
    """What the forward pass keeps for the backward pass, and the most in use in a step.

    Both beside weights and optimizer state; the second with batch and gradients.
    """
    network.train()
    with _Allocated([*_tensors(network), images, references]) as allocated:
        for weight in _trained(network):
            weight.grad = torch.empty_like(weight)  # of the step before: the trainer drops them after the forward pass
        gradients = allocated.now
        loss = network.loss(images, references, criterion)
        activations = allocated.now - gradients
        network.zero_grad()
        loss.backward()
    return activations, allocated.peak + _bytes([images, references])


class _Allocated(TorchDispatchMode):
    """Counts the bytes of tensors that are made while it is on.

    Args:
        known: tensors that were made before.

    Attributes:
        now: bytes that are still in use.
        peak: the most that were in use at a time.
    """

    def __init__(self, known: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known = weakref.WeakSet(tensor.untyped_storage() for tensor in known)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._notice(leaf.untyped_storage())
        return result

    def _notice(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:  # a view, or changed in place
            return
        self._known.add(storage)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._release, storage.nbytes()).atexit = False

    def _release(self, freed: int) -> None:
        self.now -= freed


def _references(images: torch.Tensor, classes: int) -> torch.Tensor:
    """Class values with one object in the middle of each image, since detectors need one."""
    size = images.shape[2:]
    references = torch.zeros(len(images), 1, *size, dtype=torch.int64, device=images.device)
    middle = tuple(slice(length // 4, length - length // 4) for length in size)
    references[:, :, *middle] = classes - 1
    return references


def _states(train: TrainConfig) -> int:
    """How many values the optimizer keeps for each weight."""
    if train.optimizer == "adamw":
        return 2
    return 1 if train.momentum else 0


def _tensors(network: Segmenter) -> list[torch.Tensor]:
    return [*network.parameters(), *network.buffers()]


def _trained(network: Segmenter) -> list[torch.Tensor]:
    return [weight for weight in network.parameters() if weight.requires_grad]


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _shown(size: Sequence[int]) -> str:
    return " ".join(map(str, size))
