"""Where networks run on this machine."""

from __future__ import annotations

import torch

from medseg.pool import core_count


def pick_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """The model of a GPU, else ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def use_threads(threads: int | None) -> None:
    """Give torch that many CPU threads, or all cores that this process may use: in a pod what it was given."""
    torch.set_num_threads(threads or core_count())
