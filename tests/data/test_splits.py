"""Patients are parted, never torn apart."""

from __future__ import annotations

import functools
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.config import SplitConfig
from medseg.data.splits import make_splits
from medseg.errors import DataError
from medseg.types import Case


def case(name: str, patient: str = "", split: str = "") -> Case:
    return Case(name, patient or name, split, (1, 1, 1), (1.0, 1.0, 1.0))


def ten() -> list[Case]:
    return [case(f"c{i}") for i in range(10)]


def test_ten_patients_become_six_two_two() -> None:
    splits = make_splits(ten(), SplitConfig())
    assert (len(splits.folds[0].train), len(splits.folds[0].validation), len(splits.test)) == (6, 2, 2)


def test_another_seed_tests_on_other_patients() -> None:
    assert len({tuple(make_splits(ten(), SplitConfig(seed=seed)).test) for seed in range(5)}) > 1


@given(
    owners=st.lists(st.integers(0, 30), min_size=20, max_size=60).filter(lambda o: len(set(o)) >= 8),
    folds=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_no_patient_is_on_two_sides_and_no_case_is_lost(owners: list[int], folds: int, seed: int) -> None:
    cases = [case(f"c{i}", f"p{owner}") for i, owner in enumerate(owners)]
    patient = {c.case: c.patient for c in cases}
    splits = make_splits(cases, SplitConfig(folds=folds, seed=seed))
    assert splits == make_splits(list(reversed(cases)), SplitConfig(folds=folds, seed=seed))
    for fold in splits.folds:
        parts = [fold.train, fold.validation, splits.test]
        assert sorted(functools.reduce(operator.iadd, parts, [])) == sorted(patient)
        assert sum(len({patient[c] for c in part}) for part in parts) == len(set(patient.values()))
    if folds > 1:
        validated = [c for fold in splits.folds for c in fold.validation]
        assert sorted(validated + splits.test) == sorted(patient)


def test_a_predefined_test_part_is_kept_and_the_rest_is_drawn_from() -> None:
    cases = [*ten(), case("t1", split="test"), case("t2", split="test")]
    splits = make_splits(cases, SplitConfig(test_fraction=0.5))
    assert splits.test == ["t1", "t2"]
    assert (len(splits.folds[0].train), len(splits.folds[0].validation)) == (8, 2)


def test_all_parts_may_be_predefined() -> None:
    cases = [case("a", split="train"), case("b", split="validation"), case("c", split="test")]
    splits = make_splits(cases, SplitConfig())
    assert (splits.folds[0].train, splits.folds[0].validation, splits.test) == (["a"], ["b"], ["c"])


def test_a_patient_on_two_sides_is_named() -> None:
    cases = [*ten(), case("x1", "eve", "test"), case("x2", "eve", "train")]
    with pytest.raises(DataError, match="patient eve is on two sides"):
        make_splits(cases, SplitConfig())


@pytest.mark.parametrize(
    ("cases", "config", "part"),
    [
        ([case("a"), case("b")], SplitConfig(), "train"),
        (ten(), SplitConfig(test_fraction=0), "test"),
        (ten(), SplitConfig(validation_fraction=0), "validation"),
    ],
)
def test_an_empty_part_is_named_with_the_counts(cases: list[Case], config: SplitConfig, part: str) -> None:
    with pytest.raises(DataError, match=rf"the {part} part of fold 0 is empty \(train \d"):
        make_splits(cases, config)
