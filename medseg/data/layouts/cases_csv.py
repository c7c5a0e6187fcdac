"""``cases.csv`` beside the data: who owns a case, and to which split it belongs."""

from __future__ import annotations

import re
from dataclasses import replace

from medseg.data.layouts.listing import Listing, Reading, SourceCase
from medseg.data.layouts.pseudonymous import case_digest, pseudonymous_case
from medseg.data.layouts.table import Row, read_table
from medseg.data.source import Source
from medseg.errors import DataError

FILE = "cases.csv"
PSEUDONYM = re.compile(r"patient-[0-9a-f]{12}")
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
    known = {key: name for name in rows for key in _keys(name, reading)}
    cases = []
    strangers = set(rows)
    for case in listing.cases:
        name = known.get(case.case.rpartition("-")[2] if reading else case.case)
        strangers.discard(name or "")
        cases.append(_merged(case, rows[name], reading) if name else case)
    warnings = list(listing.warnings)
    if strangers:
        shown = "" if reading else f", e.g. {', '.join(sorted(strangers)[:3])}"
        warnings.append(f"{FILE}: {len(strangers)} of its {len(rows)} cases have no usable files{shown}")
    return replace(listing, cases=cases, metadata=[*listing.metadata, FILE], warnings=warnings)


def _keys(name: str, reading: Reading | None) -> tuple[str, ...]:
    """How a row names its case: as the file does, or by the pseudonym that an earlier ingest gave it."""
    return (case_digest(reading, name), name.rpartition("-")[2]) if reading else (name,)


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
    if patient and reading and not PSEUDONYM.fullmatch(patient):
        case = pseudonymous_case(case, patient, case.case.rpartition("-")[2], reading)
    elif patient:
        case = replace(case, patient=patient)
    return replace(case, split=split_of(row, "split") or case.split)
