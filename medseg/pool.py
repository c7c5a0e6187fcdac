"""Work spread over the processes of one machine: few tasks in flight, results as they come, ended by Ctrl-C."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from medseg.errors import WorkerLostError

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")
TASKS_PER_WORKER = 8
IN_FLIGHT = 4  # tasks per process that wait or run: enough to keep it busy, few enough to keep memory flat
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLOSC_NTHREADS")


def core_count() -> int:
    """Cores that this process may use: in a pod fewer than the machine has, and one in a worker process."""
    if multiprocessing.parent_process() is not None:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _core_limit(CGROUP_LIMIT) or cores))


def _core_limit(path: Path) -> int | None:
    """What a container's CPU limit comes to in whole cores: "200000 100000" is 2, "max 100000" is none."""
    try:
        quota, _, period = path.read_text().partition(" ")
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return None


def worth(workers: int, tasks: int, per_worker: int | None = None) -> int:
    """How many of ``workers`` processes are worth starting: with fewer tasks each, that costs more than it brings."""
    return min(workers, tasks // (per_worker or TASKS_PER_WORKER))


def spread(
    work: Callable[[TaskT], ResultT],
    tasks: Iterable[TaskT],
    workers: int,
    setup: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[ResultT]:
    """Results of ``work`` for every task, in the order in which they are finished.

    Args:
        work: a function of a module; with one worker it runs in this very process.
        tasks: read only as fast as they are worked off.
        setup: called once in every process before its first task.

    Raises:
        WorkerLostError: a process was killed from outside.
    """
    if workers <= 1:
        if setup:
            setup(*arguments)
        yield from map(work, tasks)
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(setup, arguments),
    )
    try:
        with _single_threaded_children():
            yield from _results(pool, work, iter(tasks), workers * IN_FLIGHT)
    except BrokenProcessPool as error:
        _kill(pool)
        raise WorkerLostError(
            "a worker process was killed, most likely for its memory; give the machine or the pod more of it, or fewer"
            " processes with --workers; what was finished is kept"
        ) from error
    except BaseException:
        _kill(pool)
        raise
    pool.shutdown()


def _results(
    pool: ProcessPoolExecutor, work: Callable[[TaskT], ResultT], tasks: Iterator[TaskT], in_flight: int
) -> Iterator[ResultT]:
    running: set[Future[ResultT]] = set()
    for task in tasks:
        running.add(pool.submit(work, task))
        if len(running) >= in_flight:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in done)


def _start(setup: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the first one decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if setup:
        setup(*arguments)


@contextlib.contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Children started meanwhile use one thread each: there is one of them per core already."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in a child process"
    parent.join()
    os._exit(1)  # a killed parent closes nothing that its children would notice


def _kill(pool: ProcessPoolExecutor) -> None:
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)
