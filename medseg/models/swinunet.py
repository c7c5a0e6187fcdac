"""Swin-Unet: a U-shaped network of shifted-window transformer blocks (Cao et al. 2021, arXiv:2105.05537)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from timm.layers.drop import DropPath, calculate_drop_path_rates
from timm.layers.mlp import Mlp
from timm.layers.patch_embed import PatchEmbed
from timm.models.swin_transformer import PatchMerging, WindowAttention, window_partition, window_reverse
from torch import nn
from torch.nn import functional

PATCH = 4
LEVELS = 4  # 1/4, 1/8, 1/16 and 1/32 of the input


class SwinUnet(nn.Module):
    """Encoder and mirrored decoder, joined by skip connections after the blocks of each level.

    So the paper draws it; the authors' code takes the features before the blocks. Features are channels-last inside:
    (B, height, width, features).

    Args:
        width: features at 1/4 of the input; every further level has twice as many.
        depths: Swin blocks per level of the encoder, finest first; the decoder has as many at all but the last.
        heads: attention heads per level, which divide its width.
        window: side of the square in which features attend to each other.
        drop_path: probability that the deepest block is left out in training (stochastic depth), falling to 0 at
            the first block.

    Raises:
        ValueError: the window is empty, or depths or heads are not given for four levels.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        width: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int,
        drop_path: float,
    ) -> None:
        super().__init__()
        if window < 1:
            raise ValueError(f"window must be at least 1, got {window}")
        if not len(depths) == len(heads) == LEVELS:
            raise ValueError(f"depths and heads must list {LEVELS} levels, got {list(depths)} and {list(heads)}")
        rates = cast(list[list[float]], calculate_drop_path_rates(drop_path, list(depths), stagewise=True))
        self.encoder = SwinEncoder(in_channels, width, heads, window, rates)
        self.decoder = nn.ModuleList(
            DecoderStage(width * 2**level, heads[level], window, rates[level]) for level in reversed(range(LEVELS - 1))
        )
        self.norm = nn.LayerNorm(width)
        self.expand = PatchExpanding(width, width, PATCH)
        self.head = nn.Linear(width, classes, bias=False)
        self.apply(_initialise)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to logits (B, classes, H, W); H and W are multiples of 32."""
        *skips, features = self.encoder(image)
        for stage, skip in zip(self.decoder, reversed(skips), strict=True):
            features = stage(features, skip)
        return self.head(self.expand(self.norm(features))).permute(0, 3, 1, 2)


class SwinEncoder(nn.Module):
    """Swin Transformer whose parameters are called as in timm's, so that timm's weights fit."""

    def __init__(
        self, in_channels: int, width: int, heads: Sequence[int], window: int, rates: Sequence[Sequence[float]]
    ) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(
            None, PATCH, in_chans=in_channels, embed_dim=width, norm_layer=nn.LayerNorm, output_fmt="NHWC"
        )
        self.layers = nn.ModuleList(
            EncoderStage(width * 2**level, heads[level], window, rates[level], first=level == 0)
            for level in range(LEVELS)
        )
        self.norm = nn.LayerNorm(width * 2 ** (LEVELS - 1))

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """(B, C, H, W) to the features of every level, finest first."""
        features = [self.patch_embed(image)]
        for layer in self.layers:
            features.append(layer(features[-1]))
        return [*features[1:-1], self.norm(features[-1])]


class EncoderStage(nn.Module):
    """Halves the size and doubles the features, except at the first level, then attends."""

    def __init__(self, width: int, heads: int, window: int, rates: Sequence[float], first: bool) -> None:
        super().__init__()
        self.downsample = nn.Identity() if first else PatchMerging(width // 2, width)
        self.blocks = _blocks(width, heads, window, rates)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, h, w, features of the level above) to (B, h / 2, w / 2, width)."""
        return self.blocks(self.downsample(features))


class DecoderStage(nn.Module):
    """Doubles the size and halves the features, joins those of the encoder, then attends."""

    def __init__(self, width: int, heads: int, window: int, rates: Sequence[float]) -> None:
        super().__init__()
        self.expand = PatchExpanding(2 * width, width, 2)
        self.fuse = nn.Linear(2 * width, width)
        self.blocks = _blocks(width, heads, window, rates)

    def forward(self, features: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """(B, h, w, 2 width) and (B, 2h, 2w, width) to (B, 2h, 2w, width)."""
        return self.blocks(self.fuse(torch.cat([self.expand(features), skip], dim=-1)))


class PatchExpanding(nn.Module):
    """Enlarges by a linear layer whose outputs are spread over ``factor`` x ``factor`` new positions."""

    def __init__(self, width: int, new_width: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.expand = nn.Linear(width, factor**2 * new_width, bias=False)
        self.norm = nn.LayerNorm(new_width)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, h, w, width) to (B, factor h, factor w, new width)."""
        spread = self.expand(features).unflatten(-1, (self.factor, self.factor, -1))
        return self.norm(spread.transpose(2, 3).flatten(3, 4).flatten(1, 2))


class SwinBlock(nn.Module):
    """Attention in windows, shifted in every second block, and a perceptron, for maps of any size.

    timm's own block takes other sizes too, but its shifted windows then join opposite edges of the map, its padding
    takes part in the attention, and whether a map needs no shift is settled by the size at construction.
    """

    def __init__(self, width: int, heads: int, window: int, shift: int, drop_path: float) -> None:
        super().__init__()
        self.window = window
        self.shift = shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window_size=window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)
        self.drop_path = DropPath(drop_path)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, h, w, width) to the same shape."""
        features = features + self.drop_path(self._attend(self.norm1(features)))
        return features + self.drop_path(self.mlp(self.norm2(features)))

    def _attend(self, features: torch.Tensor) -> torch.Tensor:
        height, width = features.shape[1:3]
        rows, columns = self._parts(height, features.device), self._parts(width, features.device)
        shifts = self._shift(height), self._shift(width)
        padded = functional.pad(features, (0, 0, 0, len(columns) - width, 0, len(rows) - height))
        windows = window_partition(padded.roll((-shifts[0], -shifts[1]), (1, 2)), (self.window, self.window))
        mask = self._mask(rows, columns).to(features.dtype)
        attended = self.attn(windows.flatten(1, 2), mask).view_as(windows)
        merged = window_reverse(attended, (self.window, self.window), len(rows), len(columns))
        return merged.roll(shifts, (1, 2))[:, :height, :width]

    def _shift(self, length: int) -> int:
        """An axis that fits into one window is not shifted."""
        return self.shift if length > self.window else 0

    def _parts(self, length: int, device: torch.device) -> torch.Tensor:
        """What lies along a padded and shifted axis: 0 the map, 1 what the shift took from its start, 2 padding."""
        shift = self._shift(length)
        index = torch.arange(length + -length % self.window, device=device).roll(-shift)
        return (index < shift).long().masked_fill(index >= length, 2)

    def _mask(self, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """(windows, positions, positions) that is added to the attention: only positions of one part see each other."""
        parts = 3 * rows[:, None] + columns
        windows = window_partition(parts[None, :, :, None], (self.window, self.window)).flatten(1)
        return torch.where(windows[:, :, None] == windows[:, None], 0.0, -math.inf)


def _blocks(width: int, heads: int, window: int, rates: Sequence[float]) -> nn.Sequential:
    shifts = (0, window // 2)
    return nn.Sequential(
        *(SwinBlock(width, heads, window, shifts[index % 2], rate) for index, rate in enumerate(rates))
    )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
