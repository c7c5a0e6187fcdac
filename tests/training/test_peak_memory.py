"""The most memory in use since a moment, not since the process began."""

from __future__ import annotations

import pytest
import torch

from medseg.training.peak_memory import PeakMemory
from tests.training.memory import MIB, anew, use

CPU = torch.device("cpu")


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
