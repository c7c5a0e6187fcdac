"""CSV tables beside the data, with one row per case."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass

from medseg.data.layouts.names import case_name, stem
from medseg.data.source import Source
from medseg.errors import DataError


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        where: file and line, for messages.
    """

    where: str
    values: Mapping[str, str]

    def get(self, column: str) -> str:
        """The cell without blanks around it; empty where the table has no such column."""
        return self.values.get(column, "")


Rows = dict[str, Row]


def has_file(source: Source, name: str) -> bool:
    return any(found == name for found in source.names())


def read_table(source: Source, file: str, case_column: str) -> Rows | None:
    """Rows by name of the case, which the column holds itself or as the name of its image; None without the file.

    Raises:
        DataError: the file is not a table with that column, or names a case twice; names the line.
    """
    if not has_file(source, file):
        return None
    path = source.path(file)
    rows: Rows = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text)
            if case_column not in (reader.fieldnames or []):
                raise DataError(f"{path}: needs a column {case_column!r}, has {reader.fieldnames}")
            for row in reader:
                plain = {column: (value or "").strip() for column, value in row.items() if isinstance(column, str)}
                name, where = _case(plain[case_column]), f"{path}, line {reader.line_num}"
                if name in rows:
                    raise DataError(f"{where}: case {name!r} is listed twice")
                rows[name] = Row(where, plain)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table: {error}") from error
    return rows


def _case(text: str) -> str:
    return case_name(stem(text) or text)
