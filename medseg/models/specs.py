"""Every model that can be trained: what it is called, what it takes and gives, and where its builder lies."""

from __future__ import annotations

from collections.abc import Sequence
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
        smallest: length that the longest axis must have after padding: below, normalisation layers see one voxel,
            which batch normalisation takes from batches of two on.
        levels: setting of ``network`` that lists the levels of a U-shaped network; the size is halved between them.
        instance_norm: every image is normalised by itself, so that a larger batch does not help.
    """

    multiple: int
    smallest: int = 1
    levels: str | None = None
    instance_norm: bool = False

    def multiple_for(self, network: dict[str, Any]) -> int:
        """The multiple under the given settings of ``network``."""
        return 2 ** (len(network[self.levels]) - 1) if self.levels in network else self.multiple

    def smallest_for(self, network: dict[str, Any]) -> int:
        """The shortest longest axis under the given settings of ``network``: as many of its multiples."""
        multiple = self.multiple_for(network)
        return max(self.smallest * multiple // self.multiple, multiple)

    def nearest(self, size: Sequence[int], network: dict[str, Any], batch_size: int) -> tuple[int, ...]:
        """This size where the network trains on it, padded or not, else the nearest one on which it does."""
        multiple = self.multiple_for(network)
        smallest = self.smallest_for(network) if batch_size == 1 or self.instance_norm else multiple
        longest = max(size)
        if -(-longest // multiple) * multiple >= smallest:
            return tuple(size)
        return tuple(smallest if length == longest else length for length in size)


@dataclass(frozen=True)
class ModelSpec:
    """One architecture.

    Attributes:
        dims: 2 trains on slices, 3 on volumes.
        target: ``module:function`` or ``module:Class`` called with in_channels, classes and the ``network`` part of its
            configuration; imported only when the model is built. What the network gives is explained in ``adapter.py``.
        weights_license: of the weights that ``weights: imagenet`` loads.
        channels: ``any`` where the library builds the network for any number of channels, ``first-layer`` where the
            builder replaces its first convolution.
        output: ``logits``; ``auxiliary`` where training has further heads; ``instances`` where detections are
            turned into a class map and the loss is the network's own.
        parameters_millions: at 1 channel and 2 classes; a test holds the network to it. None where every data set gets
            a network of its own.
        family: whose recipe it trains with (``configs/families.yaml``).
        encoder: where in the network the pretrained part lies, as prefixes of parameter names.
        smallest_batch: 2 where batch normalisation sees 1 x 1 features, which cannot be done with one sample.
        extra: of medseg, that installs ``library``, where that package plans and trains the network by itself: ``dims``
            is 2 because it takes slices too, ``target`` is the class of its settings.
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
    parameters_millions: float | None
    family: Literal["convolutional", "transformer"] = "convolutional"
    encoder: tuple[str, ...] = ()
    smallest_batch: int = 1
    extra: str | None = None


def _smp(
    name: str,
    paper: str,
    parameters_millions: float,
    weights_license: str = BSD3,
    family: Literal["convolutional", "transformer"] = "convolutional",
    size: SizeRule = SizeRule(32),
    smallest_batch: int = 1,
) -> ModelSpec:
    """A network of segmentation-models-pytorch: any number of channels, full-size logits, ``encoder`` inside."""
    target = "medseg.models.smp:build"
    return ModelSpec(
        name, 2, target, paper, SMP, weights_license, size, "any", "logits", parameters_millions, family, ("encoder",),
        smallest_batch,
    )  # fmt: skip


def _monai(
    name: str,
    dims: Literal[2, 3],
    function: str,
    paper: str,
    size: SizeRule,
    parameters_millions: float,
    output: Literal["logits", "auxiliary"] = "logits",
    family: Literal["convolutional", "transformer"] = "convolutional",
    weights_license: str = NO_WEIGHTS,
    encoder: tuple[str, ...] = (),
    module: str = "monai_networks",
) -> ModelSpec:
    """A network of MONAI: any number of channels."""
    target = f"medseg.models.{module}:{function}"
    return ModelSpec(
        name, dims, target, paper, "MONAI", weights_license, size, "any", output, parameters_millions, family, encoder
    )


def _own(
    name: str,
    builder: str,
    paper: str,
    parameters_millions: float,
    family: Literal["convolutional", "transformer"] = "convolutional",
    size: SizeRule = SizeRule(1),
    weights_license: str = NO_WEIGHTS,
    encoder: tuple[str, ...] = (),
    output: Literal["logits", "auxiliary"] = "logits",
    smallest_batch: int = 1,
) -> ModelSpec:
    """A network written here from its paper, in a file of its name."""
    target = f"medseg.models.{builder}"
    return ModelSpec(
        name, 2, target, paper, OWN, weights_license, size, "any", output, parameters_millions, family, encoder,
        smallest_batch,
    )  # fmt: skip


INSTANCE_NORM_UNET = SizeRule(16, 32, "channels", instance_norm=True)
INSTANCE_NORM_DYNUNET = SizeRule(32, 64, "filters", instance_norm=True)

MODELS: tuple[ModelSpec, ...] = (
    # 2D
    _smp("unet", "arXiv:1505.04597", 24.43, size=SizeRule(32, 64)),
    _own("unet-paper", "unet_paper:Unet", "arXiv:1505.04597", 34.52, size=SizeRule(16, 32, "channels")),
    _smp("unetpp", "arXiv:1807.10165", 26.07, size=SizeRule(32, 64)),
    _monai("resunet", 2, "build_unet", "10.1007/978-3-030-12029-0_40", INSTANCE_NORM_UNET, 25.97),
    _monai("attentionunet", 2, "build_attentionunet", "arXiv:1804.03999", SizeRule(16, 32, "channels"), 31.74),
    _smp("densenet", "arXiv:1608.06993", 13.60, size=SizeRule(32, 64)),
    _smp("deeplabv3", "arXiv:1706.05587", 26.00, size=SizeRule(8), smallest_batch=2),
    _smp("deeplabv3plus", "arXiv:1802.02611", 22.43, size=SizeRule(16), smallest_batch=2),
    _smp("pspnet", "arXiv:1612.01105", 21.44, size=SizeRule(8, 16)),
    ModelSpec(
        "fcn", 2, "medseg.models.fcn:build", "arXiv:1411.4038", "torchvision", BSD3,
        SizeRule(8, 16), "first-layer", "logits", 32.94, encoder=("backbone",),
    ),
    _smp("fpn", "arXiv:1612.03144", 23.15, size=SizeRule(32, 64)),
    _smp("segformer", "arXiv:2105.15203", 3.71, NON_COMMERCIAL, "transformer"),
    _smp("segformer-b0", "arXiv:2105.15203", 3.71, NON_COMMERCIAL, "transformer"),
    _smp("segformer-b4", "arXiv:2105.15203", 61.36, NON_COMMERCIAL, "transformer"),
    _smp("segformer-b5", "arXiv:2105.15203", 81.96, NON_COMMERCIAL, "transformer"),
    _smp("upernet-convnext-small", "arXiv:2201.03545", 58.68, APACHE, "transformer", smallest_batch=2),
    _smp("upernet-convnext-base", "arXiv:2201.03545", 97.70, APACHE, "transformer", smallest_batch=2),
    _smp("upernet-convnext-large", "arXiv:2201.03545", 208.18, APACHE, "transformer", smallest_batch=2),
    _smp("dpt", "arXiv:2103.13413", 137.41, APACHE, "transformer", SizeRule(32, 64)),
    ModelSpec(
        "beit", 2, "medseg.models.beit:build", "arXiv:2106.08254", "transformers", APACHE,
        SizeRule(32), "any", "auxiliary", 162.07, "transformer", ("beit",), smallest_batch=2,
    ),
    _own("swinunet", "swinunet:SwinUnet", "arXiv:2105.05537", 27.165, "transformer", SizeRule(32), MIT, ("encoder",)),
    _own(
        "transunet", "transunet:build", "arXiv:2102.04306", 105.27, "transformer",
        SizeRule(16, 32), APACHE, ("encoder",),
    ),
    ModelSpec(
        "sam", 2, "medseg.models.sam:build", "arXiv:2304.02643", "transformers", APACHE,
        SizeRule(16), "any", "logits", 90.198, "transformer", ("vision_encoder",),
    ),
    ModelSpec(
        "maskrcnn", 2, "medseg.models.maskrcnn:build", "arXiv:1703.06870", "torchvision", BSD3,
        SizeRule(1, 33), "first-layer", "instances", 43.97, encoder=("backbone.body",),
    ),
    _own(
        "fastscnn", "fastscnn:FastSCNN", "arXiv:1902.04502", 1.1354,
        size=SizeRule(32), output="auxiliary", smallest_batch=2,
    ),
    _own(
        "bisenet", "bisenet:build", "arXiv:1808.00897", 13.18,
        size=SizeRule(32), weights_license=BSD3, encoder=("encoder",), output="auxiliary", smallest_batch=2,
    ),
    # 3D
    _monai("unet3d", 3, "build_unet", "arXiv:1606.06650", INSTANCE_NORM_UNET, 4.81),
    _monai("resunet3d", 3, "build_dynunet", "arXiv:1904.08128", INSTANCE_NORM_DYNUNET, 31.42, "auxiliary"),
    _monai("attentionunet3d", 3, "build_attentionunet", "arXiv:1804.03999", SizeRule(16, 32, "channels"), 5.91),
    _monai("vnet", 3, "build_vnet", "arXiv:1606.04797", SizeRule(16, 32), 45.60),
    _monai("dynunet", 3, "build_dynunet", "arXiv:1904.08128", INSTANCE_NORM_DYNUNET, 31.19, "auxiliary"),
    _monai("segresnet", 3, "build_segresnet", "arXiv:1810.11654", SizeRule(8), 4.70),
    _monai(
        "unetr", 3, "build_unetr", "arXiv:2103.10504", SizeRule(16), 92.78,
        family="transformer", encoder=("vit",), module="monai_transformers",
    ),
    _monai(
        "swinunetr", 3, "build_swinunetr", "arXiv:2201.01266", SizeRule(32, 64, instance_norm=True), 62.19,
        family="transformer", weights_license=APACHE, encoder=("swinViT",), module="monai_transformers",
    ),
    _monai("mednext", 3, "build_mednext", "arXiv:2303.09975", SizeRule(16, 32, instance_norm=True), 5.55, "auxiliary"),
    # both
    ModelSpec(
        "nnunet", 2, "medseg.models.nnunet:NnunetSettings", "10.1038/s41592-020-01008-z", "nnunetv2", NO_WEIGHTS,
        SizeRule(1), "any", "auxiliary", None, extra="nnunet",
    ),
)  # fmt: skip
