"""``metrics.csv``: one row per case and class, written and read back without loss."""

from __future__ import annotations

import csv
import io
import math
import reprlib
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import TypeVar, get_args

from medseg.errors import DataError
from medseg.metrics.case import BEST, METRICS, ClassScore, Flag
from medseg.metrics.lesions import Lesions
from medseg.metrics.overlap import Counts

N = TypeVar("N", int, float)

LESION_COLUMNS = ("lesions_found", "lesions_invented", "lesions_missed")
COLUMNS = (
    *("case", "patient", "class"),
    *METRICS,
    *("reference_voxels", "prediction_voxels", "tp", "fp", "fn", "tn"),
    *LESION_COLUMNS,
    "flag",
)
LARGEST = 1e30  # no distance or volume of an image is beyond it; sums and figures of greater numbers overflow
MOST = 2**63 - 1  # voxels or lesions: what an array of int64 holds
ROUNDING = 1e-9  # by which a ratio of summed areas may be above 1
RANGES = {
    **{metric: (0.0, 1 + ROUNDING if best else LARGEST) for metric, best in BEST.items()},
    "relative_volume_error": (-1.0, LARGEST),
}


@dataclass(frozen=True)
class ScoreRow:
    """One class of one case of one patient."""

    case: str
    patient: str
    score: ClassScore


def write_metrics(rows: Iterable[ScoreRow]) -> bytes:
    """UTF-8 CSV with the header ``COLUMNS``; NaN is an empty cell, floats are exact."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(_cells(row))
    return text.getvalue().encode()


def read_metrics(data: bytes, uri: str) -> list[ScoreRow]:
    """Read what ``write_metrics`` wrote; further columns are ignored.

    Raises:
        DataError: the file is damaged; names ``uri``, the line and the rule.
    """
    try:
        reader = csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
        if missing:
            raise DataError(f"{uri}: columns {', '.join(missing)} are missing; run evaluate again")
        return [_row(cells, f"{uri}, line {reader.line_num}") for cells in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{uri}: not a readable table of scores: {error}; run evaluate again") from error


def _cells(row: ScoreRow) -> dict[str, object]:
    score, counts = row.score, row.score.counts
    values = {metric: getattr(score, metric) for metric in METRICS}
    return {
        **{"case": row.case, "patient": row.patient, "class": score.class_name},
        **{metric: "" if math.isnan(value) else repr(float(value)) for metric, value in values.items()},
        **{"reference_voxels": counts.reference_voxels, "prediction_voxels": counts.prediction_voxels},
        **{"tp": counts.tp, "fp": counts.fp, "fn": counts.fn, "tn": counts.tn},
        **dict(zip(LESION_COLUMNS, astuple(score.lesions) if score.lesions else ("",) * 3, strict=True)),
        "flag": score.flag,
    }


def _row(cells: dict[str, str], where: str) -> ScoreRow:
    try:
        if cells["flag"] not in get_args(Flag):
            raise ValueError(f"flag {cells['flag']!r} is none of {', '.join(map(repr, get_args(Flag)))}")
        values = {metric: _metric(cells, metric) for metric in METRICS}
        counts = Counts(*(_count(cells, column) for column in ("tp", "fp", "fn", "tn")))
        lesions = Lesions(*(_count(cells, column) for column in LESION_COLUMNS)) if cells[LESION_COLUMNS[0]] else None
        score = ClassScore(cells["class"], **values, counts=counts, lesions=lesions, flag=cells["flag"])  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: not a readable row of scores: {error}; run evaluate again") from error
    return ScoreRow(cells["case"], cells["patient"], score)


def _metric(cells: dict[str, str], metric: str) -> float:
    """NaN where the cell is empty."""
    low, high = RANGES[metric]
    value = _number(cells, metric, float) if cells[metric] else math.nan
    if not (math.isnan(value) or low <= value <= high):
        raise ValueError(f"{metric} is {cells[metric]}, must be empty or from {low:g} to {high:g}")
    return value


def _count(cells: dict[str, str], column: str) -> int:
    value = _number(cells, column, int)
    if not 0 <= value <= MOST:
        raise ValueError(f"{column} is {cells[column]}, must be from 0 to {MOST}")
    return value


def _number(cells: dict[str, str], column: str, kind: type[N]) -> N:
    try:
        return kind(cells[column])
    except (TypeError, ValueError):
        raise ValueError(f"{column} is {reprlib.repr(cells[column])}, must be a number") from None
