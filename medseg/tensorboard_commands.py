"""The command ``medseg tensorboard``: the runs of a store in a browser, while they go on and afterwards."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg import artifacts
from medseg.config import EMBEDDED, StoreConfig
from medseg.console import whole_number
from medseg.errors import MedsegError, StorageError

if TYPE_CHECKING:
    from medseg.reporting.tensorboard_view import TensorBoardView

log = logging.getLogger(__name__)

RENEW_S = 30.0


def add_tensorboard_command(commands: Any) -> None:
    """Make ``tensorboard`` one of the commands of a parser."""
    tensorboard = commands.add_parser(
        "tensorboard",
        help="show runs in TensorBoard, from a folder or S3",
        description="Show runs in TensorBoard until Ctrl-C: curves of all trainings side by side, also of those that"
        " go on, and after the report their scores and pictures. Without RUN all runs of the store.",
    )
    tensorboard.set_defaults(command=_tensorboard)
    tensorboard.add_argument("runs", nargs="*", metavar="RUN", help="id of a run, as train and the pipeline print it")
    store_help = "s3://bucket/prefix or a folder; default: the server on this machine over .medseg/s3"
    tensorboard.add_argument("--store", default=EMBEDDED, metavar="URI", help=store_help)
    port_help = "default: the first free one from 6006 on"
    tensorboard.add_argument("--port", type=whole_number, metavar="N", help=port_help)
    host_help = "address to listen on; 0.0.0.0 lets other machines in, without a password; default: %(default)s"
    tensorboard.add_argument("--host", default="localhost", help=host_help)


def _tensorboard(options: argparse.Namespace) -> int:
    from medseg.reporting.tensorboard_view import TensorBoardView
    from medseg.stages.record import require_run
    from medseg.storage import session

    with (
        session(StoreConfig(uri=options.store)) as store_uri,
        tempfile.TemporaryDirectory(prefix="medseg-tensorboard-") as folder,
    ):
        for run in options.runs:
            require_run(artifacts.run_uri(store_uri, run))
        view = TensorBoardView(store_uri, options.runs, Path(folder))
        trainings = view.renew()
        url = _serve(view.log_folder, options.host, options.port)
        print(f"TensorBoard: {url}")
        if not trainings:
            log.warning("tensorboard: %s holds no curves yet; if it should, check --store", store_uri)
        found = f"{trainings} training{'' if trainings == 1 else 's'}"
        print(f"It shows {found} of {store_uri} and looks there every {RENEW_S:.0f} s; Ctrl-C ends it.", flush=True)
        try:
            _follow(view)
        except KeyboardInterrupt:
            print()
        return 0


def _serve(folder: Path, host: str, port: int | None) -> str:
    """Start TensorBoard in a thread of this process, and its reader of files in a process that ends with this one.

    Raises:
        MedsegError: it is not installed, or the port is taken.
    """
    try:
        from tensorboard import program
    except ImportError as error:
        raise MedsegError(f"TensorBoard cannot be started: {error}; pip install tensorboard") from error
    server = program.TensorBoard()
    server.configure(logdir=str(folder), host=host, port=port)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # an advertisement of its reader; faults are raised
            return server.launch()
    except program.TensorBoardServerException as error:
        raise MedsegError(f"{error.msg}; --port N takes another port, --host another address") from error


def _follow(view: TensorBoardView) -> None:
    while True:
        time.sleep(RENEW_S)
        try:
            view.renew()
        except StorageError as error:
            log.warning("tensorboard: %s; trying again in %.0f s", error, RENEW_S)
