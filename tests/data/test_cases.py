"""The table of cases comes back as it was written, and reading it leaves no thread that outlives its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.data.cases import ROWS, read_cases, write_cases
from medseg.errors import DataError
from medseg.types import Case

SIZE = st.integers(1, 2**31 - 1)
SPACING = st.floats(1e-3, 1e3)
CASE = st.builds(
    Case,
    case=st.text(),
    patient=st.text(),
    split=st.sampled_from(("", "train", "validation", "test")),
    shape=st.tuples(SIZE, SIZE, SIZE),
    spacing_mm=st.tuples(SPACING, SPACING, SPACING),
    label=st.text(),
    facts=st.dictionaries(st.text(), st.text(), max_size=3),
)
COUNT_THREADS = """
import os, sys
from pathlib import Path
from medseg.data.cases import read_cases
data = Path(sys.argv[1]).read_bytes()
before = len(os.listdir("/proc/self/task"))
read_cases(data)
print(len(os.listdir("/proc/self/task")) - before)
"""


@settings(deadline=None)  # the first example loads Arrow
@given(st.lists(CASE, max_size=5))
def test_cases_come_back_in_their_order(cases: list[Case]) -> None:
    assert read_cases(write_cases(cases)) == cases


def test_more_cases_than_are_written_at_a_time_come_back() -> None:
    cases = [Case(f"c{i}", "p", "", (i + 1, 1, 1), (1.0, 1.0, 1.0)) for i in range(2 * ROWS + 1)]
    assert read_cases(write_cases(cases)) == cases


@pytest.mark.parametrize("damage", [b"", b"no table", write_cases([])[:-8]])
def test_a_damaged_table_is_named_with_the_next_step(damage: bytes) -> None:
    with pytest.raises(DataError, match=r"cases\.parquet: not a table of cases .* run ingest again"):
        read_cases(damage)


def test_reading_starts_no_thread_that_could_abort_the_end_of_the_process(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux lists the threads of a process in /proc")
    table = tmp_path / "cases.parquet"
    table.write_bytes(write_cases([Case("c", "p", "", (1, 1, 1), (1.0, 1.0, 1.0))]))
    done = subprocess.run([sys.executable, "-c", COUNT_THREADS, str(table)], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
