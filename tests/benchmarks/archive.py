"""Ingest of archives of 100, 1,000 and 10,000 small DICOM series: rate and peak memory, which should not change."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.series import noisy_slices, write_series
from tests.benchmarks.timing import Line

SIZES = (100, 1_000, 10_000)
START = 20  # series of the archive that shows what starting takes
REPEATS = 5  # of the small ones, whose seconds are few
SLICES, SIZE = 4, 16
PAUSE_S = 0.05
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class Run:
    """One ingest: wall-clock and processor seconds, and the most memory that its processes held together."""

    seconds: float
    cpu_s: float
    peak_mb: float


def lines() -> Iterator[Line]:
    """Of the same command that users type, in one process: what starting several takes, small archives do not repay.

    Rates are compared by processor time per series, start left out: wall-clock time counts what else the machine does.
    """
    start = _typical(START)
    yield Line(f"ingest {START} series of {SIZE}x{SIZE}x{SLICES}", f"{start.seconds:.1f} s", "", "taken for the start")
    first: tuple[float, float] | None = None
    for series in SIZES:
        run = _typical(series)
        cpu_s = max(run.cpu_s - start.cpu_s, 1e-3) / (series - START)
        first = first or (cpu_s, run.peak_mb)
        yield Line(
            f"ingest {series:,} series",
            f"{series / run.seconds:.1f} series/s, {run.peak_mb:.0f} MB",
            f"{run.seconds:.1f} s in all, {1000 * cpu_s:.0f} ms of processor each",
            f"rate {first[0] / cpu_s:.2f}, memory {run.peak_mb / first[1]:.2f} of 100's",
            "0.8 to 1.2",
        )


def _typical(series: int) -> Run:
    runs = [_run(series) for _ in range(REPEATS if series <= SIZES[0] else 1)]
    return Run(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.cpu_s for run in runs),
        max(run.peak_mb for run in runs),
    )


def _run(series: int) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        source, store = Path(folder) / "source", Path(folder) / "store"
        pixels = noisy_slices(SLICES, SIZE)
        for number in range(series):
            write_series(source / f"P{number // 100:03d}" / f"S{number:05d}", number, SLICES, pixels)
        settings = (f"dataset.source={source}", "dataset.name=archive", f"store={store}")
        command = [sys.executable, "-m", "medseg.cli", "ingest", "--workers", "1"]
        return _measured([*command, *(part for setting in settings for part in ("--set", setting))], folder)


def _measured(command: list[str], folder: str) -> Run:
    start, peak, ended = time.perf_counter(), 0.0, 0
    with (Path(folder) / "output").open("w+b") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
        while not ended:
            peak = max(peak, _resident_mb(process.pid))
            time.sleep(PAUSE_S)
            ended, status, used = os.wait4(process.pid, os.WNOHANG)  # its use counts all processes that it started
        taken = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{output.read().decode()[-3000:]}")
    return Run(taken, used.ru_utime + used.ru_stime, peak)


def _resident_mb(pid: int) -> float:
    """Resident memory of a process and all that it started; pages that they share count once for each."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = [
            child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * PAGE_MB + sum(_resident_mb(int(child)) for child in children)
