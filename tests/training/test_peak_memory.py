"""The most memory in use since a moment, not since the process began."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from medseg.training.peak_memory import PeakMemory

MIB = 2**20
CPU = torch.device("cpu")


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


@anew
def test_it_holds_what_was_in_use_for_a_moment() -> None:
    memory = PeakMemory(CPU)
    before = memory.bytes
    use(200)
    assert 190 * MIB < memory.bytes - before < 260 * MIB


@anew
def test_an_earlier_training_of_the_same_process_does_not_count() -> None:
    memory = PeakMemory(CPU)
    use(200)
    earlier = memory.bytes
    assert PeakMemory(CPU).bytes < earlier - 150 * MIB


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_it_counts_the_tensors_there() -> None:
    device = torch.device("cuda")
    torch.empty(300 * MIB, dtype=torch.uint8, device=device)
    memory = PeakMemory(device)
    before = memory.bytes
    torch.empty(200 * MIB, dtype=torch.uint8, device=device)
    assert memory.bytes - before == 200 * MIB
