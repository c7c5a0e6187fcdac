"""What a recipe can set of nnU-Net, which is planned and trained by its own package."""

from __future__ import annotations

from typing import Literal

from medseg.section import Positive, Section


class NnunetSettings(Section):
    """``network`` of the model nnunet; everything else follows from nnU-Net's plan.

    Attributes:
        configuration: for volumes; pictures always train with ``2d``.
        gpu_memory_gb: memory that nnU-Net plans patch and batch size for.
    """

    configuration: Literal["2d", "3d_fullres", "3d_lowres"]
    gpu_memory_gb: Positive
