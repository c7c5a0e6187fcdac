"""Every model that can be trained: what it is called, what it takes and gives, and where its builder lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

SMP = "segmentation-models-pytorch"
OWN = "medseg"
NO_WEIGHTS = "none offered"
NON_COMMERCIAL = "NVIDIA Source Code License (non-commercial)"
BSD3 = "BSD-3-Clause"
APACHE = "Apache-2.0"
MIT = "MIT"


@dataclass(frozen=True)
class SizeRule:
    """Which spatial sizes a network takes; others are padded to them.

    Attributes:
        multiple: of which every axis must be.
        smallest: length that the longest axis must have after padding: below, normalisation layers see one voxel.
        levels: setting of ``network`` that lists the levels of a U-shaped network; the size is halved between them.
    """

    multiple: int
    smallest: int = 1
    levels: str | None = None

    def multiple_for(self, network: dict[str, Any]) -> int:
        """The multiple under the given settings of ``network``."""
        return 2 ** (len(network[self.levels]) - 1) if self.levels in network else self.multiple


@dataclass(frozen=True)
class ModelSpec:
    """One architecture.

    Attributes:
        dims: 2 trains on slices, 3 on volumes.
        target: ``module:function`` called with in_channels, classes and the ``network`` part of its configuration;
            imported only when the model is built. What the network gives is explained in ``adapter.py``.
        weights_license: of the weights that ``weights: imagenet`` loads.
        channels: ``any`` where the library builds the network for any number of channels, ``first-layer`` where the
            builder replaces its first convolution.
        output: ``logits``; ``auxiliary`` where training has further heads; ``instances`` where detections are
            turned into a class map and the loss is the network's own.
        parameters_millions: at 1 channel and 2 classes; a test holds the network to it.
        family: whose recipe it trains with (``configs/families.yaml``).
        encoder: where in the network the pretrained part lies, as prefixes of parameter names.
        smallest_batch: 2 where batch normalisation sees 1 x 1 features, which cannot be done with one sample.
    """

    name: str
    dims: Literal[2, 3]
    target: str
    paper: str
    library: str
    weights_license: str
    size: SizeRule
    channels: Literal["any", "first-layer"]
    output: Literal["logits", "auxiliary", "instances"]
    parameters_millions: float
    family: Literal["convolutional", "transformer"] = "convolutional"
    encoder: tuple[str, ...] = ()
    smallest_batch: int = 1


def _smp(
    name: str,
    paper: str,
    parameters_millions: float,
    weights_license: str = BSD3,
    family: Literal["convolutional", "transformer"] = "convolutional",
    size: SizeRule = SizeRule(32),
) -> ModelSpec:
    """A network of segmentation-models-pytorch: any number of channels, full-size logits, ``encoder`` inside."""
    target = "medseg.models.smp:build"
    return ModelSpec(
        name, 2, target, paper, SMP, weights_license, size, "any", "logits", parameters_millions, family, ("encoder",)
    )


def _monai(
    name: str,
    dims: Literal[2, 3],
    function: str,
    paper: str,
    size: SizeRule,
    parameters_millions: float,
    output: Literal["logits", "auxiliary"] = "logits",
    family: Literal["convolutional", "transformer"] = "convolutional",
    encoder: tuple[str, ...] = (),
) -> ModelSpec:
    """A network of MONAI: any number of channels, trained from scratch."""
    target = f"medseg.models.monai_networks:{function}"
    return ModelSpec(
        name, dims, target, paper, "MONAI", NO_WEIGHTS, size, "any", output, parameters_millions, family, encoder
    )


def _own(
    name: str,
    module: str,
    paper: str,
    parameters_millions: float,
    family: Literal["convolutional", "transformer"] = "convolutional",
    size: SizeRule = SizeRule(1),
    weights_license: str = NO_WEIGHTS,
    encoder: tuple[str, ...] = (),
    output: Literal["logits", "auxiliary"] = "logits",
) -> ModelSpec:
    """A network written here from its paper, in a file of its name."""
    target = f"medseg.models.{module}:build"
    return ModelSpec(
        name, 2, target, paper, OWN, weights_license, size, "any", output, parameters_millions, family, encoder
    )


MODELS: tuple[ModelSpec, ...] = (
    # 2D
    _smp("unet", "arXiv:1505.04597", 24.43),
    _own("unet-paper", "unet_paper", "arXiv:1505.04597", 34.53, size=SizeRule(16)),
    _smp("unetpp", "arXiv:1807.10165", 26.07),
    _monai("resunet", 2, "build_unet", "10.1007/978-3-030-12029-0_40", SizeRule(16, 32, "channels"), 25.97),
    _monai("attentionunet", 2, "build_attentionunet", "arXiv:1804.03999", SizeRule(16, 32, "channels"), 31.74),
    _smp("densenet", "arXiv:1608.06993", 13.60),
    _smp("deeplabv3", "arXiv:1706.05587", 26.00),
    _smp("deeplabv3plus", "arXiv:1802.02611", 0.0),
    _smp("pspnet", "arXiv:1612.01105", 21.44),
    ModelSpec(
        "fcn", 2, "medseg.models.fcn:build", "arXiv:1411.4038", "torchvision", BSD3,
        SizeRule(8), "first-layer", "auxiliary", 0.0, encoder=("backbone",),
    ),
    _smp("fpn", "arXiv:1612.03144", 0.0),
    _smp("segformer", "arXiv:2105.15203", 3.71, NON_COMMERCIAL, "transformer"),
    _smp("segformer-b0", "arXiv:2105.15203", 3.71, NON_COMMERCIAL, "transformer"),
    _smp("segformer-b4", "arXiv:2105.15203", 0.0, NON_COMMERCIAL, "transformer"),
    _smp("segformer-b5", "arXiv:2105.15203", 0.0, NON_COMMERCIAL, "transformer"),
    _smp("upernet-convnext-small", "arXiv:2201.03545", 0.0, APACHE, "transformer"),
    _smp("upernet-convnext-base", "arXiv:2201.03545", 97.70, APACHE, "transformer"),
    _smp("upernet-convnext-large", "arXiv:2201.03545", 0.0, APACHE, "transformer"),
    _smp("dpt", "arXiv:2103.13413", 137.4, APACHE, "transformer", SizeRule(16)),
    ModelSpec(
        "beit", 2, "medseg.models.beit:build", "arXiv:2106.08254", "transformers", APACHE,
        SizeRule(16), "any", "auxiliary", 162.1, "transformer", ("beit",),
    ),
    _own("swinunet", "swinunet", "arXiv:2105.05537", 0.0, "transformer", SizeRule(32), MIT, ("encoder",)),
    _own("transunet", "transunet", "arXiv:2102.04306", 0.0, "transformer", SizeRule(16), APACHE, ("encoder",)),
    ModelSpec(
        "sam", 2, "medseg.models.sam:build", "arXiv:2304.02643", "transformers", APACHE,
        SizeRule(16), "any", "logits", 0.0, "transformer", ("vision_encoder",),
    ),
    ModelSpec(
        "maskrcnn", 2, "medseg.models.maskrcnn:build", "arXiv:1703.06870", "torchvision", BSD3,
        SizeRule(1), "first-layer", "instances", 0.0, encoder=("backbone",),
    ),
    _own("fastscnn", "fastscnn", "arXiv:1902.04502", 0.0, size=SizeRule(32)),
    _own("bisenet", "bisenet", "arXiv:1808.00897", 0.0, size=SizeRule(32), weights_license=BSD3, encoder=("encoder",)),
    # 3D
    _monai("unet3d", 3, "build_unet", "arXiv:1606.06650", SizeRule(16, 32, "channels"), 4.81),
    _monai("resunet3d", 3, "build_dynunet", "arXiv:1904.08128", SizeRule(32), 0.0, "auxiliary"),
    _monai("attentionunet3d", 3, "build_attentionunet", "arXiv:1804.03999", SizeRule(16, 32, "channels"), 5.91),
    _monai("vnet", 3, "build_vnet", "arXiv:1606.04797", SizeRule(16), 0.0),
    _monai("dynunet", 3, "build_dynunet", "arXiv:1904.08128", SizeRule(32), 31.19, "auxiliary"),
    _monai("segresnet", 3, "build_segresnet", "arXiv:1810.11654", SizeRule(8), 4.70),
    _monai("unetr", 3, "build_unetr", "arXiv:2103.10504", SizeRule(16), 92.8, family="transformer", encoder=("vit",)),
    _monai(
        "swinunetr", 3, "build_swinunetr", "arXiv:2201.01266", SizeRule(32, 64), 62.19,
        family="transformer", encoder=("swinViT",),
    ),
    _monai("mednext", 3, "build_mednext", "arXiv:2303.09975", SizeRule(16), 5.55, "auxiliary"),
)  # fmt: skip
