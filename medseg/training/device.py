"""Where networks run on this machine."""

from __future__ import annotations

import os

import torch

from medseg.errors import StageError
from medseg.pool import core_count


def pick_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def require_gpu(gpus: int) -> None:
    """Pass a pod that was given GPUs only where torch sees one: on its CPU it would hold them for days.

    Raises:
        StageError: it sees none.
    """
    if gpus and "KUBERNETES_SERVICE_HOST" in os.environ and not torch.cuda.is_available():
        raise StageError(
            f"resources.gpus = {gpus}, but torch {torch.__version__} sees no GPU in this pod: cluster.image must be one"
            " with CUDA (make images IMAGES=cuda), and the node's driver recent enough for it"
        )


def device_name(device: torch.device) -> str:
    """The model of a GPU, else ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def use_threads(threads: int | None) -> None:
    """Give torch that many CPU threads, or all cores that this process may use: in a pod what it was given."""
    torch.set_num_threads(threads or core_count())
