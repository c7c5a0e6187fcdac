"""How a command speaks to a terminal: what it takes, progress lines, and errors without a traceback."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable

from medseg.errors import MedsegError


def run_command(command: Callable[[], int]) -> int:
    """Run a command with our progress lines on standard error and return its exit code.

    An error that a user can act on is one message and 1; Ctrl-C is 130 and says how to go on.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for ours in ("medseg", "components", "pipelines"):
        logging.getLogger(ours).setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: what lies in scratch folders is removed
    try:
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MedsegError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; what was finished is kept, the same command goes on from there", file=sys.stderr)
        return 130
    return code


def whole_number(text: str) -> int:
    """A command's argument that counts something."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1")
    return int(text)
