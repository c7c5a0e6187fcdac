"""Fair times on a busy machine: both sides take turns, and medians are compared."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """One line of the table: what was done, what it came to, and what it is held against."""

    what: str
    ours: str
    others: str
    ratio: str
    target: str = ""


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def paired(ours: Callable[[], object], other: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median seconds of both, called in turns after one call of each that does not count."""
    ours()
    other()
    times = [(seconds(ours), seconds(other)) for _ in range(rounds)]
    return statistics.median(t[0] for t in times), statistics.median(t[1] for t in times)


def faster(what: str, ours_s: float, other_s: float, other: str, target: str = "") -> Line:
    """A line that says how many times faster ours is."""
    return Line(what, shown(ours_s), f"{other} {shown(other_s)}", f"{other_s / ours_s:.1f} x faster", target)


def shown(duration_s: float) -> str:
    return f"{duration_s * 1000:.0f} ms" if duration_s < 10 else f"{duration_s:.0f} s"


def machine() -> str:
    """What the figures were measured on."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = models[0] if models else processor
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"
