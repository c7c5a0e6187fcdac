"""SAM without prompts: the mask decoder of transformers' Segment Anything gives one mask per class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamVisionConfig


class Sam(nn.Module):
    """Segment Anything (arXiv:2304.02643) for semantic segmentation: image encoder and mask decoder are trained.

    As in SAMed (arXiv:2304.13785), the decoder gets no point, box or mask, only the published embedding for "no mask",
    its mask tokens stand for classes, and position embeddings are interpolated linearly to the size at hand. What only
    prompts would use is left out. The library computes two more things, whose weights are therefore not trained: a
    mask of the token for lone prompts, and an estimate of each mask's quality.

    Args:
        config: with one multimask output per class.
    """

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        library: Any = SamModel(config)
        self.vision_encoder = library.vision_encoder
        self.shared_image_embedding = library.shared_image_embedding
        self.prompt_encoder = nn.ModuleDict({"no_mask_embed": library.prompt_encoder.no_mask_embed})
        self.mask_decoder = library.mask_decoder
        self.mask_decoder.output_hypernetworks_mlps[0].requires_grad_(False)
        self.mask_decoder.iou_prediction_head.requires_grad_(False)
        self.shared_image_embedding.requires_grad_(False)  # random Fourier features, constants in the published code

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W), both multiples of 16, to logits (B, classes, H / 4, W / 4)."""
        features = self._encode(image)
        masks, _ = self.mask_decoder(
            image_embeddings=features,
            image_positional_embeddings=self._positions(*features.shape[2:]),
            sparse_prompt_embeddings=None,
            dense_prompt_embeddings=self.get_parameter("prompt_encoder.no_mask_embed.weight")[..., None, None],
            multimask_output=True,
        )
        return masks[:, 0]

    def _encode(self, image: torch.Tensor) -> torch.Tensor:
        """Features (B, channels, H / 16, W / 16); the library's forward refuses other sizes than the configured one."""
        encoder = self.vision_encoder
        tokens = encoder.patch_embed.projection(image)
        positions = encoder.pos_embed.permute(0, 3, 1, 2)
        tokens = tokens + functional.interpolate(positions, tokens.shape[2:], mode="bilinear", align_corners=False)
        tokens = tokens.permute(0, 2, 3, 1)
        for layer in encoder.layers:
            tokens = layer(tokens)
        return encoder.neck(tokens)

    def _positions(self, height: int, width: int) -> torch.Tensor:
        """Fourier features (1, channels, height, width) of the patch centres, which lie between 0 and 1."""
        device = self.shared_image_embedding.positional_embedding.device
        rows = (torch.arange(height, device=device) + 0.5) / height
        columns = (torch.arange(width, device=device) + 0.5) / width
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        return self.shared_image_embedding(torch.stack([x, y], dim=-1)).permute(2, 0, 1)[None]


def build(
    in_channels: int,
    classes: int,
    image_size: int,
    embedding: int,
    layers: int,
    heads: int,
    global_layers: Sequence[int],
    window: int,
) -> nn.Module:
    """SAM with random weights.

    Args:
        image_size: pixels along each axis for which the position embeddings are made.
        global_layers: attend to the whole image, the others within windows of ``window`` x ``window`` tokens.

    Raises:
        ValueError: heads do not share a token evenly.
    """
    if embedding % heads:
        raise ValueError(f"embedding must be a multiple of heads, got {embedding} and {heads}")
    vision = SamVisionConfig(
        num_channels=in_channels,
        image_size=image_size,
        hidden_size=embedding,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        global_attn_indexes=tuple(global_layers),
        window_size=window,
        initializer_range=0.02,  # as in every ViT; the library's 1e-10 only suits weights that are loaded next
    )
    # of the Fourier features, as published; the library's (half the embedding) makes noise of positions
    vision.scale = 1
    return Sam(SamConfig(vision_config=vision, mask_decoder_config=SamMaskDecoderConfig(num_multimask_outputs=classes)))
