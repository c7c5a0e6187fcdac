"""The zoo's table, of all models or some: ``python -m tests.benchmarks.zoo [--readme README.md] [unet] [dpt] …``."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from medseg.console import run_command
from medseg.errors import DataError
from medseg.models import registry
from medseg.models.specs import MODELS
from tests.benchmarks.timing import machine

MARKERS = ("<!-- zoo -->", "<!-- /zoo -->")
NUM_THREADS = "1"  # and processor time, so that other work on the machine does not count
LIMIT_S = 900.0  # for one model
REASON_LENGTH = 120

CAPTION = """\
Multiply-adds of one image of 256 x 256 or one volume of 96 x 96 x 96. Then how few scans are learned by heart: four
chest X-rays or two hippocampi, until training Dice reaches 0.90, with the size and the small network that the model's
test names. Full step: of training the network as configured, four images of 96 x 96 or two volumes of 32 x 48 x 32."""
COLUMNS = (
    "model",
    "parameters M",
    "GMAC",
    "training Dice",
    "steps",
    "CPU s a step",
    "CPU s a full step",
    "measured",
)
HEADER = f"| {' | '.join(COLUMNS)} |"
RULE = f"| {' | '.join(['---'] + ['---:'] * (len(COLUMNS) - 2) + ['---'])} |"


@dataclass(frozen=True)
class Row:
    """What was measured of a model; None where it did not come so far, and why."""

    name: str
    date: str
    millions: float | None = None
    gmac: float | None = None
    dice: float | None = None
    steps: int | None = None
    step_s: float | None = None
    full_step_s: float | None = None
    failed: str | None = None

    def markdown(self) -> str:
        figures = (
            _shown(self.millions, ".2f"),
            _shown(self.gmac, ".2f"),
            _shown(self.dice, ".3f"),
            _shown(self.steps, "d"),
            _shown(self.step_s, ".2f"),
            _shown(self.full_step_s, ".2f"),
        )
        reason = (self.failed or "").replace("|", "/")[:REASON_LENGTH]
        return f"| {self.name} | {' | '.join(figures)} | {self.date}{f', failed: {reason}' if reason else ''} |"


class Table:
    """Rows by model and machines by date, read from text that an earlier run has written."""

    def __init__(self, text: str = "") -> None:
        lines = text.splitlines()
        rows = [line for line in lines if line.startswith("| ") and line not in (HEADER, RULE)]
        self._rows = {line.split("|")[1].strip(): line for line in rows} if HEADER in lines else {}
        self._machines = dict(re.findall(r"^- (\d{4}-\d\d-\d\d): (.+)$", text, re.MULTILINE))

    def add(self, row: Row, machine: str) -> None:
        """Take the place of that model's row; two machines of one day stand side by side."""
        self._rows[row.name] = row.markdown()
        known = self._machines.get(row.date, machine)
        self._machines[row.date] = known if machine in known else f"{known}; {machine}"

    def markdown(self) -> str:
        rows = [self._rows[spec.name] for spec in MODELS if spec.name in self._rows]
        machines = [
            f"- {date}: {text}" for date, text in sorted(self._machines.items()) if any(date in r for r in rows)
        ]
        return "\n".join((CAPTION, "", HEADER, RULE, *rows, "", *machines))


def measure(name: str) -> Row:
    """One model, in a process of its own: what kills it leaves the others alone."""
    start = time.perf_counter()
    output, failed = _run([sys.executable, "-m", "tests.benchmarks.zoo_row", name])
    told = {
        key: value for line in output.splitlines() if line.startswith("{") for key, value in json.loads(line).items()
    }
    row = Row(name, f"{datetime.now(UTC):%Y-%m-%d}", **{"failed": failed, **told})
    how = f"failed: {row.failed}" if row.failed else f"Dice {row.dice:.3f} in {row.steps} steps"
    print(f"{name}: {how}, {time.perf_counter() - start:.0f} s in all", file=sys.stderr, flush=True)
    return row


def _run(command: list[str]) -> tuple[str, str | None]:
    """What a process has printed, and what ended it early."""
    environment = os.environ | {"OMP_NUM_THREADS": NUM_THREADS}
    try:
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired as expired:
        return (expired.stdout or b"").decode(), f"it took longer than {LIMIT_S:.0f} s"
    if run.returncode == 0:
        return run.stdout, None
    last_words = (run.stderr.strip() or "without a word").splitlines()[-1]
    return run.stdout, f"its process ended with {run.returncode}: {last_words}"


def main(arguments: list[str]) -> int:
    """Measure, and print the table or bring README up to date after every model; returns 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.zoo", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--readme", type=Path, help=f"file whose lines between {' and '.join(MARKERS)} are replaced")
    options = parser.parse_args(arguments)
    names = [registry.find(name).name for name in options.names] or [spec.name for spec in MODELS if not spec.extra]
    table = Table(_between_markers(options.readme)[1] if options.readme else "")
    place = f"{machine()}, torch {version('torch')}, {NUM_THREADS} thread"
    failures = 0
    for name in names:
        row = measure(name)
        failures += row.failed is not None
        table.add(row, place)
        if options.readme:
            before, _, after = _between_markers(options.readme)
            options.readme.write_text(f"{before}{table.markdown()}{after}", "utf-8")
    if not options.readme:
        print(table.markdown())
    return 1 if failures else 0


def _between_markers(readme: Path) -> tuple[str, str, str]:
    """Text up to and with the first marker, between both, from the second one on."""
    text = readme.read_text("utf-8")
    before, first, rest = text.partition(MARKERS[0])
    between, second, after = rest.partition(MARKERS[1])
    if not (first and second):
        raise DataError(f"{readme}: must hold the lines {' and '.join(MARKERS)}, between which the table is put")
    return f"{before}{first}\n", between, f"\n{second}{after}"


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
