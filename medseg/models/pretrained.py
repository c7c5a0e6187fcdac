"""Weights from a file find their places in a network, also one for other channels, classes and sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional

from medseg.errors import RecipeError
from medseg.models.adapter import Segmenter
from medseg.models.weights_file import State
from medseg.models.weights_names import Match, match, namings

# what follows from a network's sizes, or only counts
COMPUTED = ("relative_position_index", "attn_mask", "position_ids", "num_batches_tracked")
TOKENS = ("pos_embed", "position_embeddings")  # one embedding per patch
TABLE = "relative_position_bias_table"  # one row per distance between two patches, axes together
DISTANCES = ("rel_pos_h", "rel_pos_w")  # one row per distance along one axis
BOXES = "bbox_pred"
CLASS_TOKENS = (0, 1, 2)  # that may stand in front of the patches' embeddings: none, class, class and distillation
CLASS_DISTANCES = (0, 3)  # that may stand behind a table: BEiT's to, from and between class tokens
EXAMPLES = 3
NEXT_STEP = "name weights of this network or of its encoder, or set network: {…} as these weights need it"

SAME, CHANNELS, GRID, HEAD = "", "input", "grid", "head"


@dataclass(frozen=True)
class Shape:
    """What a network was built for: spatial dimensions, input channels, and classes with background."""

    dims: int
    channels: int
    classes: int


@dataclass
class Loaded:
    """What became of a file: names of the network's tensors, and of the file's that the network does not have.

    Attributes:
        same, input, grid: loaded as they were, for other input channels, and for another grid of positions.
        head: left random, because there are other classes.
        random: left random, because the file does not have them.
    """

    same: list[str] = field(default_factory=list)
    input: list[str] = field(default_factory=list)
    grid: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    random: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        loaded = [*self.same, *self.input, *self.grid]
        parts = [f"{len(loaded)} of {len(loaded) + len(self.head) + len(self.random)} tensors loaded"]
        told = (
            ("adapted to the number of channels", self.input),
            ("interpolated to the grid of positions", self.grid),
            ("left random for the number of classes", self.head),
            ("left random", _parts_apart(self.random, loaded)),
            ("not used of the file", self.unused),
        )
        return "; ".join([*parts, *(f"{what}: {_examples(names)}" for what, names in told if names)])


@torch.no_grad()
def load_pretrained(
    segmenter: Segmenter, state: State, shape: Shape, where: str, renames: Mapping[str, str] | None = None
) -> Loaded:
    """Load what fits of a file into a network, and say what became of it.

    The largest part of the network whose names are in the file is loaded, whatever stands in front of them. A tensor
    of another shape is

    - the first layer for other channels: one channel gets the sum over the file's, more get the file's in turn,
      scaled to keep the sum (the rule of segmentation-models-pytorch and timm);
    - positions on another grid: they are interpolated;
    - a layer for other classes: it stays random;
    - anything else: an error.

    Args:
        where: what errors call the file.
        renames: pattern to replacement, where the file may have other names than the network.

    Raises:
        RecipeError: too little of the encoder, or of a network without one, is in the file, or a shape differs.
    """
    network = segmenter.network
    ours = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COMPUTED)}
    names = _matching(segmenter, ours, state, where, renames or {}).names
    fitting = _Fitting(network, shape)
    result = Loaded()
    for name, target in ours.items():
        if name not in names:
            result.random.append(name)
            continue
        source = state[names[name]]
        try:
            kind, value = fitting.fit(name, source, target)
        except _MisfitError:
            raise RecipeError(
                f"weights: {where}: {names[name]} is {_size(source)}, {name} of the network is {_size(target)}: these"
                f" are weights of another network; {NEXT_STEP}"
            ) from None
        {SAME: result.same, CHANNELS: result.input, GRID: result.grid, HEAD: result.head}[kind].append(name)
        if value is not None:
            target.copy_(value)
    used = set(names.values())
    result.unused = [name for name in state if name not in used and not name.endswith(COMPUTED)]
    return result


def _matching(segmenter: Segmenter, ours: Iterable[str], state: State, where: str, renames: Mapping[str, str]) -> Match:
    names = list(ours)
    trained = {id(parameter) for parameter in segmenter.encoder_parameters()}
    encoder = [name for name, parameter in segmenter.network.named_parameters() if id(parameter) in trained]
    found = []
    for way in namings(state, segmenter.network, renames):
        one = match(names, way, encoder or names)
        found.append(Match(one.part, {ours: way[theirs] for ours, theirs in one.names.items()}, one.missing))
    best = max(found, key=lambda one: (one.fits, len(one.names)))
    if best.fits:
        return best
    part = f"the network's {best.part.rstrip('.')}" if best.part else "the network"
    raise RecipeError(
        f"weights: {where}: has only {len(best.names)} of the {len(best.names) + len(best.missing)} tensors of {part},"
        f" nine tenths are needed. It lacks e.g. {_examples(best.missing)}; it has e.g. {_examples(list(state))};"
        f" {NEXT_STEP}"
    )


class _MisfitError(Exception):
    """A tensor of the file is of another network."""


class _Fitting:
    """How tensors of a file are made to fit into one network."""

    def __init__(self, network: nn.Module, shape: Shape) -> None:
        self._shape = shape
        self._inputs = {
            f"{name}.weight"
            for name, module in network.named_modules()
            if isinstance(module, nn.Conv2d | nn.Conv3d) and module.in_channels == shape.channels
        }

    def fit(self, name: str, source: torch.Tensor, target: torch.Tensor) -> tuple[str, torch.Tensor | None]:
        """What was done, and the tensor in the target's shape; None where it stays random."""
        if source.shape == target.shape:
            return SAME, source
        if source.ndim != target.ndim:
            raise _MisfitError
        differing = [axis for axis in range(source.ndim) if source.shape[axis] != target.shape[axis]]
        if name in self._inputs and differing == [1]:
            return CHANNELS, _to_channels(source, target.shape[1])
        if name.endswith((*TOKENS, TABLE, *DISTANCES)):
            return GRID, self._to_grid(name, source.float(), target)
        # one each, one beside them for no class, or a box of four sides each
        counts = [self._shape.classes, self._shape.classes + 1]
        counts += [4 * self._shape.classes] if BOXES in name else []
        if all(target.shape[axis] in counts for axis in differing):
            return HEAD, None
        raise _MisfitError

    def _to_grid(self, name: str, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if source.shape[-1] != target.shape[-1]:
            raise _MisfitError
        if name.endswith(DISTANCES):
            return _resize(source, source.shape[:1], target.shape[:1])
        if source.ndim == 4:  # (1, rows, columns, features)
            return _resize(source.flatten(0, 2), source.shape[1:3], target.shape[1:3]).view_as(target)
        if name.endswith(TABLE):
            return self._to_table(source, target)
        kept, grid = self._square(source.shape[1], CLASS_TOKENS)
        wanted, new_grid = self._square(target.shape[1], CLASS_TOKENS)
        first = source[0, :kept] if kept == wanted else target[0, :wanted]
        return torch.cat([first, _resize(source[0, kept:], grid, new_grid)])[None]

    def _to_table(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        kept, grid = self._square(len(source), CLASS_DISTANCES)
        wanted, new_grid = self._square(len(target), CLASS_DISTANCES)
        last = source[len(source) - kept :] if kept == wanted else target[len(target) - wanted :]
        return torch.cat([_resize(source[: len(source) - kept], grid, new_grid), last])

    def _square(self, rows: int, extras: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """How many rows stand beside a grid with equal sides, and the grid."""
        dims = self._shape.dims
        for extra in extras:
            side = round((rows - extra) ** (1 / dims)) if rows > extra else 0
            if side and side**dims == rows - extra:
                return extra, (side,) * dims
        raise _MisfitError


def _to_channels(weight: torch.Tensor, channels: int) -> torch.Tensor:
    """A convolution's weight (out, in, *kernel) for another number of input channels."""
    if channels == 1:
        return weight.sum(1, keepdim=True)
    given = weight.shape[1]
    return weight[:, [channel % given for channel in range(channels)]] * (given / channels)


def _resize(rows: torch.Tensor, grid: Iterable[int], new_grid: Iterable[int]) -> torch.Tensor:
    """Interpolate rows (positions, features) from one grid of positions to another."""
    size, new_size = tuple(grid), tuple(new_grid)
    mode = {1: "linear", 2: "bicubic", 3: "trilinear"}[len(size)]
    image = rows.T.reshape(1, -1, *size)
    resized = functional.interpolate(image, new_size, mode=mode, align_corners=False, antialias=mode == "bicubic")
    return resized.flatten(2)[0].T


def _parts_apart(names: list[str], others: list[str]) -> list[str]:
    """The largest parts of a network that hold these names and none of the others."""
    taken = {name[: end.start()] for name in others for end in re.finditer(r"\.", name)}
    parts = set()
    for name in names:
        pieces = name.split(".")
        prefixes = (".".join(pieces[:count]) for count in range(1, len(pieces)))
        parts.add(next((prefix for prefix in prefixes if prefix not in taken), name))
    return sorted(parts)


def _size(tensor: torch.Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _examples(names: list[str]) -> str:
    more = f" and {len(names) - EXAMPLES} more" if len(names) > EXAMPLES else ""
    return ", ".join(names[:EXAMPLES]) + more
