"""``cases.csv`` beside the data: who owns a case, and to which split it belongs."""

from __future__ import annotations

from dataclasses import replace

from medseg.data.layouts.listing import Listing, Reading, SourceCase
from medseg.data.layouts.pseudonymous import case_digest, pseudonymous_case
from medseg.data.layouts.table import Row, read_table
from medseg.data.source import Source
from medseg.errors import DataError

FILE = "cases.csv"
_SPLITS = {"train": "train", "validation": "validation", "val": "validation", "test": "test", "": ""}


def apply_cases_csv(source: Source, listing: Listing, reading: Reading | None) -> Listing:
    """Fill patients and splits from ``cases.csv`` where the source has one; what it says goes first.

    Args:
        reading: where names of cases are pseudonyms; None where they are those of the files.

    Raises:
        DataError: the file is not a table with a ``case`` column, names a case twice, or an unknown split.
    """
    rows = read_table(source, FILE, "case")
    if rows is None:
        return listing
    for row in rows.values():
        split_of(row, "split")
    if reading:
        rows = {case_digest(reading, name): row for name, row in rows.items()}
    cases = []
    strangers = set(rows)
    for case in listing.cases:
        name = case.case.rpartition("-")[2] if reading else case.case
        strangers.discard(name)
        cases.append(_merged(case, rows[name], reading) if name in rows else case)
    warnings = list(listing.warnings)
    if strangers:
        shown = "" if reading else f", e.g. {', '.join(sorted(strangers)[:3])}"
        warnings.append(f"{FILE}: {len(strangers)} of its {len(rows)} cases have no usable files{shown}")
    return replace(listing, cases=cases, metadata=[*listing.metadata, FILE], warnings=warnings)


def split_of(row: Row, column: str) -> str:
    """The predefined split that a row gives; empty where it gives none.

    Raises:
        DataError: an unknown split.
    """
    value = row.get(column)
    if value.lower() not in _SPLITS:
        raise DataError(f"{row.where}: split is {value!r}; choose train, validation, test or leave it empty")
    return _SPLITS[value.lower()]


def _merged(case: SourceCase, row: Row, reading: Reading | None) -> SourceCase:
    patient = row.get("patient")
    if patient and reading:
        case = pseudonymous_case(case, patient, case.case.rpartition("-")[2], reading)
    elif patient:
        case = replace(case, patient=patient)
    return replace(case, split=split_of(row, "split") or case.split)
