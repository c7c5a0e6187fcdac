"""``cases.csv`` beside the data: who owns a case, and to which split it belongs."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace

from medseg.data.layouts.listing import Listing, Source, SourceCase
from medseg.data.layouts.names import case_name
from medseg.errors import DataError

FILE = "cases.csv"
_SPLITS = {"train": "train", "validation": "validation", "val": "validation", "test": "test", "": ""}


@dataclass(frozen=True)
class Row:
    """One line of the file; what it leaves open is empty."""

    patient: str
    split: str


def apply_cases_csv(source: Source, listing: Listing) -> Listing:
    """Fill patients and splits from ``cases.csv`` where the source has one; what it says goes first.

    Raises:
        DataError: the file is not a table with a ``case`` column, names a case twice, or an unknown split.
    """
    if FILE not in source.files:
        return listing
    rows = _read(source)
    cases = [_merge(case, rows.get(case.case)) for case in listing.cases]
    strangers = sorted(set(rows) - {case.case for case in listing.cases})
    warnings = list(listing.warnings)
    if strangers:
        shown = ", ".join(strangers[:3])
        warnings.append(f"{FILE}: {len(strangers)} of its {len(rows)} cases have no usable files, e.g. {shown}")
    return replace(listing, cases=cases, metadata=[*listing.metadata, FILE], warnings=warnings)


def _merge(case: SourceCase, row: Row | None) -> SourceCase:
    if row is None:
        return case
    return replace(case, patient=row.patient or case.patient, split=row.split or case.split)


def _read(source: Source) -> dict[str, Row]:
    path = source.path(FILE)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if "case" not in (reader.fieldnames or []):
                raise DataError(f"{path}: needs a column 'case', has {reader.fieldnames}")
            rows: dict[str, Row] = {}
            for row in reader:
                name = case_name((row["case"] or "").strip())
                if name in rows:
                    raise DataError(f"{path}, line {reader.line_num}: case {name!r} is listed twice")
                where = f"{path}, line {reader.line_num}"
                rows[name] = Row((row.get("patient") or "").strip(), _split(row.get("split"), where))
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table: {error}") from error


def _split(value: str | None, where: str) -> str:
    name = (value or "").strip().lower()
    if name not in _SPLITS:
        raise DataError(f"{where}: split is {value!r}; choose train, validation, test or leave it empty")
    return _SPLITS[name]
