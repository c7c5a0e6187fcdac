"""Work spread over processes: everything is done once, little is in flight, faults and Ctrl-C end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from medseg.errors import RejectedFileError, WorkerLostError
from medseg.pool import IN_FLIGHT, _core_limit, spread

_offset = [0]


def set_offset(value: int) -> None:
    _offset[:] = [value]


def shifted(number: int) -> int:
    return number + _offset[0]


def refuse_five(number: int) -> int:
    if number == 5:
        raise RejectedFileError("odd-number", "five is refused")
    return number


def die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_worker_that_is_killed_is_named_with_the_next_step() -> None:
    with pytest.raises(WorkerLostError, match="fewer processes with --workers"):
        list(spread(die, range(10), 2))


@pytest.mark.parametrize(
    ("text", "cores"), [("200000 100000", 2), ("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_a_container_has_the_cores_that_its_limit_comes_to(tmp_path: Path, text: str, cores: int | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert _core_limit(tmp_path / "cpu.max") == cores


def process_and_threads(_: int) -> tuple[int, str]:
    return os.getpid(), os.environ["OMP_NUM_THREADS"]


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_once_after_the_setup(workers: int) -> None:
    assert sorted(spread(shifted, range(20), workers, set_offset, (100,))) == list(range(100, 120))


def test_tasks_are_taken_only_as_fast_as_they_are_worked_off() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = spread(shifted, endless(), 2)
    assert next(results) > 0
    assert taken <= 2 * IN_FLIGHT
    results.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_fault_is_raised_with_all_it_says(workers: int) -> None:
    with pytest.raises(RejectedFileError) as caught:
        list(spread(refuse_five, range(10), workers))
    assert (caught.value.code, caught.value.reason) == ("odd-number", "five is refused")


def test_children_are_other_processes_of_one_thread_each() -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    found = list(spread(process_and_threads, range(6), 2))
    assert os.getpid() not in {process for process, _ in found}
    assert {threads for _, threads in found} == {"1"}
    assert os.environ.get("OMP_NUM_THREADS") == before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_child_outlives_a_parent_that_is_stopped_or_killed(how: signal.Signals) -> None:
    code = (
        "from medseg.pool import spread; import time\nfor _ in spread(time.sleep, [0.01] * 8 + [60] * 4, 2): print(1)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert parent.stdout is not None
    parent.stdout.readline()
    children = children_of(parent.pid)
    assert len(children) >= 2
    parent.send_signal(how)
    parent.wait(10)
    deadline = time.monotonic() + 10
    while any(is_running(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [child for child in children if is_running(child)]


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


def is_running(pid: int) -> bool:
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(listed.stdout.strip()) and not listed.stdout.startswith("Z")
