"""Networks of segmentation-models-pytorch keep the common promises."""

from __future__ import annotations

from tests.models.base import ModelTests


class TestUnet(ModelTests):
    name = "unet"
    millions = 24.43
    small = {"encoder": "resnet18"}


class TestDeepLabv3(ModelTests):
    name = "deeplabv3"
    millions = 26.00
    small = {"encoder": "resnet18"}


class TestSegformer(ModelTests):
    name = "segformer"
    millions = 3.71
