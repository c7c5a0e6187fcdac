"""The U-Net as published keeps the common promises."""

from __future__ import annotations

from tests.models.base import ModelTests


class TestUnetPaper(ModelTests):
    name = "unet-paper"
    millions = 34.53
    small = {"channels": [16, 32, 64, 128, 256]}
