"""Networks of MONAI keep the common promises."""

from __future__ import annotations

from tests.models.base import ModelTests


class TestUnet3d(ModelTests):
    name = "unet3d"
    millions = 4.81


class TestSegResNet(ModelTests):
    name = "segresnet"
    millions = 4.70
