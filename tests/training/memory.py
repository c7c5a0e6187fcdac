"""Memory that is taken for a moment, and whether this system can count it anew."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import numpy as np
import pytest

MIB = 2**20


def use(mebibytes: int) -> None:
    """Takes memory from the system and gives it back, whatever an allocator would rather keep."""
    with mmap.mmap(-1, mebibytes * MIB) as memory:
        np.frombuffer(memory, np.uint8).fill(1)


def system_counts_anew() -> bool:
    """Some kernels and sandboxes have no such file, or take what is written and go on counting."""
    process = Path("/proc/self")
    try:
        use(200)
        (process / "clear_refs").write_text("5")
        kib = dict(re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB$", (process / "status").read_text(), re.MULTILINE))
    except OSError:
        return False
    return len(kib) == 2 and int(kib["VmHWM"]) - int(kib["VmRSS"]) < 100 * 1024


anew = pytest.mark.skipif(not system_counts_anew(), reason="this system cannot start its count of memory anew")
