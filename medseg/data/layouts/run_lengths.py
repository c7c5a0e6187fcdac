"""Run-length coded masks as Kaggle writes them: ``start length start length …``, 1-based, row after row."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.errors import DataError

COLUMNS = ("id", "class", "segmentation")
LONGEST_CELL = 1 << 24  # characters; Python's default of 128 kB is less than one mask may need

Runs = Mapping[str, Mapping[str, str]]  # id of a picture to class to its runs, empty where there is nothing of it


@lru_cache(maxsize=1)
def read_runs(path: Path, modified_ns: int) -> Runs:
    """The table of one file; kept until another one, or another state of it, is asked for.

    Raises:
        DataError: it is no table with the columns id, class and segmentation, or names a mask twice.
    """
    csv.field_size_limit(LONGEST_CELL)
    runs: dict[str, dict[str, str]] = defaultdict(dict)
    try:
        with path.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text)
            if missing := [column for column in COLUMNS if column not in (reader.fieldnames or [])]:
                raise DataError(f"{path}: needs the columns {', '.join(COLUMNS)}; {', '.join(missing)} is missing")
            for row in reader:
                classes = runs[(row["id"] or "").strip()]
                name = (row["class"] or "").strip()
                if name in classes:
                    raise DataError(f"{path}, line {reader.line_num}: {row['id']} has two rows for {name!r}")
                classes[name] = (row["segmentation"] or "").strip()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table: {error}") from error
    return runs


def decode(runs: str, rows: int, columns: int) -> NDArray[np.bool_]:
    """The mask, (rows, columns); all False where there are no runs.

    Raises:
        ValueError: what is no run, or a run outside of the picture; says which.
    """
    mask = np.zeros(rows * columns, dtype=bool)
    for start, length in _pairs(runs.split()):
        if start < 1 or length < 1 or start - 1 + length > mask.size:
            raise ValueError(f"run {start} {length} does not lie in a picture of {rows} x {columns} pixels")
        mask[start - 1 : start - 1 + length] = True
    return mask.reshape(rows, columns)


def _pairs(numbers: list[str]) -> Iterable[tuple[int, int]]:
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} numbers are no pairs of start and length")
    if bad := [text for text in numbers if not (text.isascii() and text.isdigit() and len(text) < 12)]:
        raise ValueError(f"{bad[0][:20]!r} is no number")
    return zip(map(int, numbers[::2]), map(int, numbers[1::2]), strict=True)
