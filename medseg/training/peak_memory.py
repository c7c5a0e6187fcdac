"""The most memory in use since a moment: of the GPU, or of this process where there is none."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import torch

PROCESS = Path("/proc/self")
RESET_PEAK = "5"  # what clear_refs takes it for: see proc_pid_clear_refs(5)


class PeakMemory:
    """Watches from when it is made; one at a time, since the next one starts the count anew.

    On a GPU it counts torch's tensors, without the CUDA context and the cache of freed blocks. On a CPU it is the
    resident set of the process: with Python, its libraries and what earlier work has not given back, without processes
    that load data. Where the system cannot start its count anew (anything but Linux, some sandboxes), it is the most
    since the process began.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.init()  # counts exist only from then on
            torch.cuda.reset_peak_memory_stats(device)
        else:
            _reset_resident_peak()

    @property
    def bytes(self) -> int:
        """The most so far."""
        return torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else _resident_peak()


def _reset_resident_peak() -> None:
    try:
        (PROCESS / "clear_refs").write_text(RESET_PEAK)
    except OSError:  # no such file, or a container that may not write it
        return


def _resident_peak() -> int:
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB$", (PROCESS / "status").read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
