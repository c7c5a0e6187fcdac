"""Print every benchmark, or those named: ``python -m tests.benchmarks [resampling] [nifti_files] …``."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime

from tests.benchmarks.timing import Line, machine

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLOSC_NTHREADS")
BENCHMARKS = ("resampling", "nifti_files", "dicom_series", "surface_metrics", "archive")
WIDTHS = (48, 26, 48, 44)


def main(names: list[str]) -> int:
    """Returns 1 where a benchmark could not be run."""
    os.environ.update(dict.fromkeys(THREADS, "1"))  # read when a benchmark imports NumPy: both sides get one thread
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    print(f"{machine()}, one thread per process\n{now}, python -m tests.benchmarks {' '.join(names)}\n")
    _show(Line("what", "medseg", "compared with", "ratio", "target"))
    failed = 0
    for name in names or BENCHMARKS:
        try:
            for line in _lines(name):
                _show(line)
        except Exception:  # the others are still worth printing
            failed = 1
            traceback.print_exc()
    return failed


def _lines(name: str) -> Iterator[Line]:
    yield from importlib.import_module(f"tests.benchmarks.{name}").lines()


def _show(line: Line) -> None:
    cells = (line.what, line.ours, line.others, line.ratio)
    print("".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)) + line.target, flush=True)


if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"no benchmark {unknown[0]!r}; choices: {', '.join(BENCHMARKS)}")
    sys.exit(main(sys.argv[1:]))
