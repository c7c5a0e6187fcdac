"""Scoring beside prediction changes nothing but the time: same results, same order, errors as if in line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from medseg.artifacts import prediction_key, reference_key
from medseg.data.formats.nifti import read_nifti, write_nifti
from medseg.errors import DataError, OutOfMemoryError
from medseg.metrics.calibration import calibration
from medseg.metrics.case import Scoring, score_case, worst_scores
from medseg.stages.score_cases import CaseScoring, TestPart
from medseg.types import Case, Prediction

LABELS = {"background": 0, "liver": 1, "tumour": 2}
FOREGROUND = {"liver": 1, "tumour": 2}
SHAPE, SPACING_MM = (6, 5, 4), (1.0, 2.0, 3.0)
NAMES = ("c", "a", "b")  # as the data set has them


def reference_of(name: str) -> np.ndarray:
    return np.random.default_rng(ord(name)).integers(0, 3, SHAPE).astype(np.uint8)


def prediction_of(name: str) -> Prediction:
    random = np.random.default_rng(1000 + ord(name))
    return Prediction(random.integers(0, 3, SHAPE).astype(np.uint8), random.random(SHAPE, np.float32))


@pytest.fixture
def test_part(tmp_path: Path) -> TestPart:
    (tmp_path / "labels").mkdir()
    for name in NAMES:
        write_nifti(tmp_path / reference_key(name), reference_of(name), np.diag([*SPACING_MM, 1.0]))
    cases = [Case(name, f"patient {name}", "", SHAPE, SPACING_MM) for name in NAMES]
    return TestPart(cases, tmp_path, LABELS, Scoring({"liver": 1.0}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_all_cases_come_to_what_each_one_alone_comes_to(test_part: TestPart, folder: Path) -> None:
    with CaseScoring(test_part, folder) as scoring:
        for seconds, name in enumerate(NAMES):
            scoring.predicted(name, prediction_of(name), seconds)
    outcome = scoring.outcome
    alone = [
        (name, f"patient {name}", score)
        for name in NAMES
        for score in score_case(
            prediction_of(name).classes, reference_of(name), SPACING_MM, FOREGROUND, test_part.scoring
        )
    ]
    assert repr([(row.case, row.patient, row.score) for row in outcome.rows]) == repr(alone)  # NaN equals NaN
    assert outcome.seconds == [0, 1, 2]
    assert outcome.confusion.sum() == 3 * reference_of("a").size
    bins = [calibration(prediction_of(name).foreground, reference_of(name)) for name in NAMES]
    assert outcome.calibration is not None
    np.testing.assert_array_equal(outcome.calibration.voxels, sum(one.voxels for one in bins))
    written = read_nifti(folder / prediction_key("a"))
    np.testing.assert_array_equal(written.array[0], prediction_of("a").classes)
    assert written.geometry.spacing_mm == SPACING_MM


def test_a_case_that_was_not_predicted_is_worst_and_predicted_background(test_part: TestPart, folder: Path) -> None:
    with CaseScoring(test_part, folder) as scoring:
        scoring.not_predicted("a", "too large")
    outcome, reference = scoring.outcome, reference_of("a")
    assert [row.score for row in outcome.rows] == worst_scores(reference, SPACING_MM, FOREGROUND, test_part.scoring)
    assert (outcome.missing, outcome.seconds, outcome.calibration) == (1, [], None)
    assert outcome.confusion[:, 0].tolist() == np.bincount(reference.ravel(), minlength=3).tolist()
    assert not outcome.confusion[:, 1:].any()
    assert not list((folder / "predictions").iterdir())


def test_the_next_case_is_predicted_while_one_is_scored(test_part: TestPart, folder: Path) -> None:
    """The reference of the first case is a pipe: its scoring cannot begin before somebody writes into it."""
    path = test_part.references / reference_key("c")
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    with CaseScoring(test_part, folder) as scoring:
        scoring.predicted("c", prediction_of("c"), 1.0)
        second = prediction_of("a")  # we are here, and the first one is not scored yet
        threading.Timer(0.05, path.write_bytes, (content,)).start()
        scoring.predicted("a", second, 1.0)
        assert [row.case for row in scoring.outcome.rows] == ["c", "c"]
    assert [row.case for row in scoring.outcome.rows] == ["c", "c", "a", "a"]


def test_an_error_of_scoring_comes_with_the_next_case_and_names_its_own(test_part: TestPart, folder: Path) -> None:
    (test_part.references / reference_key("c")).write_bytes(b"")
    scoring = CaseScoring(test_part, folder)
    scoring.predicted("c", prediction_of("c"), 1.0)
    with pytest.raises(DataError, match=r"empty-file") as error:
        scoring.predicted("a", prediction_of("a"), 1.0)
    assert error.value.__notes__ == ["while c was scored"]


def test_an_error_of_the_last_case_comes_when_the_context_ends(test_part: TestPart, folder: Path) -> None:
    wrong = Prediction(np.zeros((6, 5, 3), np.uint8), np.zeros((6, 5, 3), np.float32))
    with pytest.raises(ValueError, match=r"\(6, 5, 3\)") as error, CaseScoring(test_part, folder) as scoring:
        scoring.predicted("b", wrong, 1.0)
    assert error.value.__notes__ == ["while b was scored"]


def test_an_error_of_scoring_goes_before_an_error_of_the_next_prediction(test_part: TestPart, folder: Path) -> None:
    (test_part.references / reference_key("c")).write_bytes(b"")

    def predict_two() -> None:
        with CaseScoring(test_part, folder) as scoring:
            scoring.predicted("c", prediction_of("c"), 1.0)
            raise OutOfMemoryError("of the next case, which one after the other would not have been reached")

    with pytest.raises(DataError, match="empty-file"):
        predict_two()


def test_ctrl_c_waits_for_no_score(test_part: TestPart, folder: Path) -> None:
    """A process whose scoring waits for ever, since nobody writes into the pipe, ends at once."""
    path = test_part.references / reference_key("c")
    path.unlink()
    os.mkfifo(path)
    code = (
        "import sys, tempfile, time; from pathlib import Path; from medseg.console import run_command\n"
        "from tests.stages.test_score_cases import *\n"
        "def work():\n"
        "    cases = [Case(name, name, '', SHAPE, SPACING_MM) for name in NAMES]\n"
        f"    part = TestPart(cases, Path({str(test_part.references)!r}), LABELS, Scoring())\n"
        f"    with CaseScoring(part, Path({str(folder)!r})) as scoring:\n"
        "        scoring.predicted('c', prediction_of('c'), 1.0)\n"
        "        print('predicting', flush=True)\n"
        "        time.sleep(600)\n"
        "sys.exit(run_command(work))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"predicting\n"
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert process.wait(30) == 130
        assert time.monotonic() - began < 5
