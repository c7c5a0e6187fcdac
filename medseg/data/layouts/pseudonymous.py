"""Names of cases and patients of a source whose file names may identify: pseudonyms under the recipe's key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from medseg.data.layouts.listing import Reading, SourceCase


def case_digest(reading: Reading, case: str) -> str:
    """What stands for the name of a case."""
    return reading.pseudonyms.digest("case", case, length=8)


def pseudonymous_case(case: SourceCase, patient: str, digest: str, reading: Reading) -> SourceCase:
    """The case under the pseudonym of its patient."""
    reading.identities.add([patient])
    pseudonym = reading.pseudonyms.patient(patient)
    return replace(case, case=f"{pseudonym}-{digest}", patient=pseudonym)


def pseudonymous_cases(cases: Iterable[SourceCase], reading: Reading) -> Iterator[SourceCase]:
    """Every case under pseudonyms; the names it had are remembered as identities."""
    for case in cases:
        reading.identities.add([case.case])
        yield pseudonymous_case(case, case.patient, case_digest(reading, case.case), reading)
