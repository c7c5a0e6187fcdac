"""``cases.parquet``: the table of cases that belongs to a data set."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from medseg.errors import DataError
from medseg.types import Case

ROWS = 1000  # turned into columns at a time

_SIZES = ("size_i", "size_j", "size_k")
_SPACINGS = ("spacing_i_mm", "spacing_j_mm", "spacing_k_mm")
_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("case", "patient", "split")]
    + [(name, pa.int32()) for name in _SIZES]
    + [(name, pa.float64()) for name in _SPACINGS]
    + [("label", pa.string()), ("facts", pa.map_(pa.string(), pa.string()))]
)


def write_cases(cases: Iterable[Case]) -> bytes:
    """One row per case, in the given order."""
    sink = BytesIO()
    rows = map(_row, cases)
    with pq.ParquetWriter(sink, _SCHEMA) as writer:
        while batch := list(islice(rows, ROWS)):
            writer.write_table(pa.Table.from_pylist(batch, schema=_SCHEMA))
    return sink.getvalue()


def _row(case: Case) -> dict:
    return (
        {"case": case.case, "patient": case.patient, "split": case.split}
        | dict(zip(_SIZES, case.shape, strict=True))
        | dict(zip(_SPACINGS, case.spacing_mm, strict=True))
        | {"label": case.label, "facts": sorted(case.facts.items())}
    )


def read_cases(data: bytes) -> list[Case]:
    """The cases in their stored order.

    Raises:
        DataError: not a table of cases.
    """
    try:
        # Arrow's threads may still be at work when a process ends at once, and abort it or keep it from ending
        # (apache/arrow issues 34314 and 50482): a step that finds its work done would then count as failed
        rows = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False).to_pylist()
        return [_case(row) for row in rows]
    except (pa.ArrowException, KeyError) as error:
        raise DataError(f"cases.parquet: not a table of cases ({error}); run ingest again") from error


def _case(row: dict) -> Case:
    i, j, k = (row[name] for name in _SIZES)
    di, dj, dk = (row[name] for name in _SPACINGS)
    return Case(row["case"], row["patient"], row["split"], (i, j, k), (di, dj, dk), row["label"], dict(row["facts"]))
