"""What can go wrong, as one tree; every message names the file, the rule, the value and the next step.

MedsegError                  anything a user can act on: shown without a traceback
├── RecipeError              a recipe key, type or value is wrong
├── DataError                input data that a stage cannot go on with
│   └── RejectedFileError    one input that is left out, with its reason code; the others go on
├── WorkerLostError          a worker process was killed from outside, most likely for its memory
├── StageError               a stage was called before the output that it needs exists
├── StorageError             the store refused or could not be reached
│   ├── NotFoundError        no such object or bucket
│   ├── AccessError          keys are missing, wrong or not allowed to do this
│   ├── UnreachableError     no answer from the endpoint
│   └── StorageFullError     no space left where the data was to go
└── TrainingError            a model's training ended with a result that is not a model
    ├── NonFiniteLossError   the loss became NaN or infinite
    └── OutOfMemoryError     the device's or the machine's memory was not enough
"""

from __future__ import annotations

from pathlib import Path


class MedsegError(Exception):
    """Anything a user can act on."""


class RecipeError(MedsegError):
    """A recipe key, type or value is wrong."""


class DataError(MedsegError):
    """Input data that a stage cannot go on with."""


class RejectedFileError(DataError):
    """One input that is left out of the data set.

    Args:
        code: short, stable, hyphenated reason, e.g. ``shape-mismatch``.
        reason: one sentence with the rule and the value.
        path: the one file at fault; None where it lies in several files together.
    """

    def __init__(self, code: str, reason: str, path: Path | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.path = path

    def __reduce__(self) -> tuple[type[RejectedFileError], tuple[str, str, Path | None]]:
        return type(self), (self.code, self.reason, self.path)  # it comes back from worker processes


class WorkerLostError(MedsegError):
    """A worker process was killed from outside, most likely for its memory."""


class StageError(MedsegError):
    """A stage was called before the output that it needs exists."""


class StorageError(MedsegError):
    """The store refused or could not be reached."""


class NotFoundError(StorageError):
    """No such object or bucket."""


class AccessError(StorageError):
    """Keys are missing, wrong or not allowed to do this."""


class UnreachableError(StorageError):
    """No answer from the endpoint."""


class StorageFullError(StorageError):
    """No space left where the data was to go."""


class TrainingError(MedsegError):
    """A model's training ended with a result that is not a model."""


class NonFiniteLossError(TrainingError):
    """The loss became NaN or infinite."""


class OutOfMemoryError(TrainingError):
    """The device's or the machine's memory was not enough."""
