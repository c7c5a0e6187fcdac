"""Swin-Unet keeps the common promises, and its windows see what they should on maps of any size."""

from __future__ import annotations

import pytest
import torch
from timm.models.swin_transformer import SwinTransformer

from medseg.models.swinunet import PatchExpanding, SwinBlock, SwinEncoder, SwinUnet
from tests.models.base import ModelTests


class TestSwinUnet(ModelTests):
    name = "swinunet"
    millions = 27.17
    counted_at = (3, 9)
    small = {"width": 24}


def test_the_encoder_is_timms_and_takes_its_weights() -> None:
    theirs = SwinTransformer(in_chans=1, num_classes=0, embed_dim=8, depths=(2, 2, 2, 2), num_heads=(1, 1, 2, 2)).eval()
    ours = SwinEncoder(1, width=8, heads=(1, 1, 2, 2), window=7, rates=[(0.0, 0.0)] * 4)
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(1, 1, 224, 224)
    torch.testing.assert_close(ours(image)[-1], theirs.forward_features(image))


@pytest.mark.parametrize("shift", [0, 3])
@pytest.mark.parametrize("size", [(3, 3), (9, 12)])
def test_on_a_map_of_one_value_padding_changes_nothing(size: tuple[int, int], shift: int) -> None:
    block = SwinBlock(width=8, heads=2, window=7, shift=shift, drop_path=0.0)
    output = block(torch.randn(8).expand(1, *size, 8))
    torch.testing.assert_close(output, output[:, :1, :1].expand_as(output))


def test_shifted_windows_do_not_join_opposite_edges() -> None:
    block = SwinBlock(width=8, heads=2, window=7, shift=3, drop_path=0.0)
    features = torch.randn(1, 7, 12, 8, requires_grad=True)
    block(features)[:, :, 11].sum().backward()
    seen = features.grad.abs().sum((0, 1, 3)) > 0
    assert seen.tolist() == [False] * 10 + [True] * 2


def test_patch_expanding_keeps_features_in_their_place() -> None:
    features = torch.randn(1, 3, 3, 8, requires_grad=True)
    PatchExpanding(width=8, new_width=4, factor=2)(features)[:, 2:4, 4:6, 0].sum().backward()
    assert features.grad.abs().sum((0, 3)).nonzero().tolist() == [[1, 2]]


def test_settings_for_another_number_of_levels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"depths and heads must list 4 levels, got \[2, 2\] and \[3, 6, 12, 24\]"):
        SwinUnet(1, 2, width=96, depths=[2, 2], heads=[3, 6, 12, 24], window=7, drop_path=0.2)
