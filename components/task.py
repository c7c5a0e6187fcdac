"""How a task starts and ends inside its process; kfp's compiler is not there, so this module does not import it."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator

from medseg.errors import MedsegError

RUNNER_PID = "MEDSEG_RUNNER_PID"


@contextlib.contextmanager
def task(run_uri: str, job_id: str) -> Iterator[str]:
    """Surroundings of a task's body: errors a user can act on are shown without a traceback.

    Yields the run's folder: ``run_uri``, with KFP's id of the run behind it where the recipe fixes no ``run_id``. KFP
    fills its id in only where it is a whole argument, so that it comes as one.

    Under the local runner the task also ends when the runner does: otherwise a killed run would leave its training
    behind, which would then write beside the training of the next start.
    """
    logging.getLogger().setLevel(logging.WARNING)  # kfp's executor lets every library talk
    logging.getLogger("medseg").setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what lies in scratch folders is removed
    if runner := os.environ.get(RUNNER_PID):
        threading.Thread(target=_end_with, args=(int(runner),), daemon=True).start()
    try:
        yield f"{run_uri}-{job_id}" if job_id else run_uri
    except MedsegError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _end_with(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "pidfd_open"):
            select.select([os.pidfd_open(pid)], [], [])  # readable once it ends, reaped or not
        else:
            while True:
                os.kill(pid, 0)
                time.sleep(0.5)
    os._exit(1)
