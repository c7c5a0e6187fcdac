"""metrics.csv: what is written is read back."""

import csv
import io
import math

import pytest

from medseg.errors import DataError
from medseg.metrics.case import ClassScore
from medseg.metrics.lesions import Lesions
from medseg.metrics.overlap import Counts
from medseg.metrics.table import COLUMNS, ScoreRow, read_metrics, write_metrics

NAN = float("nan")
ROW = ScoreRow(
    "case_1",
    "patient_1",
    ClassScore(
        "kidney, left", 1 / 3, 0.2, 0.1, 1.0, 0.5, 3.25, 4.5, 1.5, NAN, 2.0, -0.25, Counts(1, 2, 3, 4), Lesions(1, 0, 2)
    ),
)
ABSENT = ScoreRow(
    "case_2",
    "p",
    ClassScore("liver", NAN, NAN, NAN, 1.0, NAN, NAN, NAN, NAN, NAN, 0.0, NAN, Counts(0, 0, 0, 9), None, "both-empty"),
)


def test_rows_survive_unchanged():
    data = write_metrics([ROW, ABSENT])
    assert write_metrics(read_metrics(data, "m.csv")) == data
    assert read_metrics(data, "m.csv")[0].score.dice == 1 / 3


def test_columns_and_empty_cells_for_nan():
    header, first, absent = write_metrics([ROW, ABSENT]).decode().splitlines()
    assert header == ",".join(COLUMNS)
    scores = "0.3333333333333333,0.2,0.1,1.0,0.5,3.25,4.5,1.5,,2.0,-0.25"
    assert first == f'case_1,patient_1,"kidney, left",{scores},4,3,1,2,3,4,1,0,2,'
    assert absent == "case_2,p,liver,,,,1.0,,,,,,0.0,,0,0,0,0,0,9,,,,both-empty"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data.replace(b"0.2", b"x.2"), "line 2.*iou is 'x.2', must be a number"),
        (lambda data: data.replace(b",flag", b""), "columns flag are missing"),
        (lambda data: data[: data.index(b"3.25")], "line 2"),
        (lambda data: data.replace(b"both-empty", b"gone"), "flag 'gone' is none of"),
        (lambda data: b"\xff\xfe" + data, "not a readable table"),
        (lambda data: b"", "columns case, patient"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(damage, message):
    with pytest.raises(DataError, match=r"s3://b/metrics\.csv.*" + message):
        read_metrics(damage(write_metrics([ROW, ABSENT])), "s3://b/metrics.csv")


def with_cell(column: str, text: str) -> bytes:
    """A file of one row, one cell of which is replaced."""
    (cells,) = csv.DictReader(io.StringIO(write_metrics([ROW]).decode()))
    changed = io.StringIO()
    writer = csv.DictWriter(changed, COLUMNS)
    writer.writeheader()
    writer.writerow(cells | {column: text})
    return changed.getvalue().encode()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("dice", value) for value in ("5", "-0.1", "inf", "-inf")),
        *(("nsd", "1.01"), ("specificity", "inf")),
        *(("hd95_mm", value) for value in ("inf", "-inf", "-1", "1e308")),
        *(("volume_error_ml", "-1"), ("relative_volume_error", "-1.5"), ("relative_volume_error", "inf")),
        *(("tp", "-1"), ("tn", "9223372036854775808"), ("lesions_missed", "-1")),
    ],
)
def test_an_impossible_value_is_named_with_its_column(column: str, value: str):
    with pytest.raises(DataError, match=rf"^m\.csv, line 2: .*{column} is {value}, must be .*; run evaluate again$"):
        read_metrics(with_cell(column, value), "m.csv")


@pytest.mark.parametrize(
    ("column", "value"),
    [("dice", ""), ("dice", "0"), ("nsd", "1.0000000000000002"), ("hd_mm", "1e6"), ("relative_volume_error", "-1")],
)
def test_the_ends_of_a_range_can_be_read(column: str, value: str):
    (row,) = read_metrics(with_cell(column, value), "m.csv")
    assert getattr(row.score, column) == pytest.approx(float(value or math.nan), nan_ok=True)
