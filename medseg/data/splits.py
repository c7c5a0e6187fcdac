"""Parting patients into training, validation and test so that no patient is on two sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from medseg.artifacts import Fold, Splits
from medseg.config import SplitConfig
from medseg.errors import DataError
from medseg.types import Case


def make_splits(cases: Sequence[Case], config: SplitConfig) -> Splits:
    """Seeded patient-level splits; a part that the source predefines is kept as it is.

    The test part is the same for all folds. With k folds every other patient validates once.

    Raises:
        DataError: a part would be empty, a patient is on two sides, or folds meet a predefined validation part.
    """
    _check_leakage(cases)
    patients = sorted({case.patient for case in cases})
    shuffled = [patients[i] for i in np.random.default_rng(config.seed).permutation(len(patients))]
    test = _predefined(cases, "test")
    validation = _predefined(cases, "validation")
    rest = 1.0
    if not test:
        free = [p for p in shuffled if p not in validation and p not in _predefined(cases, "train")]
        test = set(free[: _count(config.test_fraction, len(shuffled))])
        rest -= config.test_fraction
    development = [p for p in shuffled if p not in test and p not in validation]
    folds = _folds(development, validation, config, config.validation_fraction / rest)
    splits = Splits(
        test=_cases_of(test, cases),
        folds=[Fold(train=_cases_of(t, cases), validation=_cases_of(v, cases)) for t, v in folds],
    )
    _check_parts(splits, patients=len(patients))
    return splits


def _folds(
    development: list[str], validation: set[str], config: SplitConfig, fraction: float
) -> list[tuple[set[str], set[str]]]:
    if validation and config.folds > 1:
        raise DataError(
            f"split.folds = {config.folds}: the data predefines a validation part, which allows one fold only;"
            " set split.folds=1 or take `validation` out of the cases.csv"
        )
    if validation:
        return [(set(development), validation)]
    if config.folds > 1:
        parts = [set(development[index :: config.folds]) for index in range(config.folds)]
        return [(set(development) - part, part) for part in parts]
    count = _count(fraction, len(development))
    return [(set(development[count:]), set(development[:count]))]


def _count(fraction: float, total: int) -> int:
    """A positive fraction is at least one patient."""
    return max(1, round(fraction * total)) if fraction else 0


def _predefined(cases: Iterable[Case], split: str) -> set[str]:
    return {case.patient for case in cases if case.split == split}


def _cases_of(patients: set[str], cases: Sequence[Case]) -> list[str]:
    return sorted(case.case for case in cases if case.patient in patients)


def _check_leakage(cases: Sequence[Case]) -> None:
    first: dict[str, Case] = {}
    for case in cases:
        other = first.setdefault(case.patient, case)
        if other.split != case.split:
            sides = " and ".join(f"{c.case} in {c.split or 'no predefined part'}" for c in (other, case))
            raise DataError(
                f"split: patient {case.patient} is on two sides ({sides}); every patient must be on one side:"
                " correct the split column of cases.csv, or its patient column if these are two patients"
            )


def _check_parts(splits: Splits, patients: int) -> None:
    for index, fold in enumerate(splits.folds):
        parts = {"train": fold.train, "validation": fold.validation, "test": splits.test}
        counts = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
        for name, part in parts.items():
            if not part:
                raise DataError(
                    f"split: the {name} part of fold {index} is empty ({counts} cases of {patients} patients);"
                    " change split.test_fraction, split.validation_fraction or split.folds, or add patients"
                )
