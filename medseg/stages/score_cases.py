"""Predicted test cases are written and scored, each one while the next is being predicted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medseg import artifacts
from medseg.data.formats.nifti import read_nifti_reference, write_nifti
from medseg.metrics.calibration import Calibration, calibration
from medseg.metrics.case import ClassScore, Scoring, score_case, worst_scores
from medseg.metrics.confusion import confusion_matrix
from medseg.metrics.table import ScoreRow
from medseg.types import Case, Prediction

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TestPart:
    """What is predicted, and what it is held against.

    Attributes:
        references: folder of the data set.
        labels: class name to value, background included.
    """

    __test__ = False  # no test, whatever pytest takes its name for
    cases: list[Case]
    references: Path
    labels: dict[str, int]
    scoring: Scoring


@dataclass
class Outcome:
    """What predicting the test cases came to.

    Attributes:
        rows: scores in the order of the cases.
        seconds: of every case that was predicted.
        missing: cases that could not be predicted.
        confusion: as ``Summary.confusion``.
        calibration: None where no case was predicted.
    """

    confusion: NDArray[np.int64]
    rows: list[ScoreRow] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    missing: int = 0
    calibration: Calibration | None = None


@dataclass(frozen=True)
class _Scored:
    """What one case adds to the outcome."""

    scores: list[ClassScore]
    confusion: NDArray[np.int64]
    calibration: Calibration | None


class CaseScoring:
    """Takes predictions in the order of the test cases and scores each in a thread of its own, as a context.

    A thread is enough, since NumPy and the distance transform leave Python's lock to the prediction. One case at
    most is being scored, so memory stays flat: the next one waits for it. An error of scoring is raised when the next
    case comes or the context ends, before any error of that next case. Whatever ends the process, such as Ctrl-C, waits
    for nothing.

    Args:
        folder: gets ``predictions/``.
    """

    def __init__(self, test: TestPart, folder: Path) -> None:
        self._test = test
        self._folder = folder
        self._cases = {case.case: case for case in test.cases}
        self._pending: tuple[Case, Future[_Scored]] | None = None
        self.outcome = Outcome(np.zeros((len(test.labels), len(test.labels)), np.int64))
        (folder / "predictions").mkdir()

    def predicted(self, case: str, prediction: Prediction, seconds: float) -> None:
        """Begin to score a case, which took so long to predict."""
        self._collect()
        self.outcome.seconds.append(seconds)
        self._begin(self._cases[case], prediction)

    def not_predicted(self, case: str, reason: str) -> None:
        """Count a case as predicted worst."""
        self._collect()
        log.error("evaluate: %s is scored worst, it could not be predicted: %s", case, reason)
        self.outcome.missing += 1
        self._begin(self._cases[case], None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            self._collect()

    def _begin(self, case: Case, prediction: Prediction | None) -> None:
        scored: Future[_Scored] = Future()
        work = partial(_score, self._test, case, prediction, self._folder)
        threading.Thread(target=_resolve, args=(scored, work), daemon=True).start()
        self._pending = case, scored

    def _collect(self) -> None:
        """Wait for the case before, and add it to the outcome."""
        if self._pending is None:
            return
        (case, pending), self._pending = self._pending, None
        scored = pending.result()
        self.outcome.rows += [ScoreRow(case.case, case.patient, score) for score in scored.scores]
        self.outcome.confusion += scored.confusion
        if scored.calibration:
            known = self.outcome.calibration
            self.outcome.calibration = known + scored.calibration if known else scored.calibration


def _resolve(future: Future[_Scored], work: Callable[[], _Scored]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)


def _score(test: TestPart, case: Case, prediction: Prediction | None, folder: Path) -> _Scored:
    """Write and score one case; None scores worst."""
    try:
        stored = read_nifti_reference(test.references / artifacts.reference_key(case.case))
        # files hold voxels in Fortran's order; comparing them with a prediction's takes three times as long
        reference = np.ascontiguousarray(stored.array[0])
        foreground = {name: value for name, value in test.labels.items() if value}
        compared: Any = (reference, case.spacing_mm, foreground, test.scoring)
        if prediction is None:
            confusion = confusion_matrix(np.zeros_like(reference), reference, len(test.labels))
            return _Scored(worst_scores(*compared), confusion, None)
        write_nifti(folder / artifacts.prediction_key(case.case), prediction.classes, stored.affine)
        return _Scored(
            scores=score_case(prediction.classes, *compared),
            confusion=confusion_matrix(prediction.classes, reference, len(test.labels)),
            calibration=calibration(prediction.foreground, reference),
        )
    except Exception as error:
        error.add_note(f"while {case.case} was scored")
        raise
