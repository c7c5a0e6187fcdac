"""The same cases are read and shown each time, spread over patients and classes."""

import numpy as np

from medseg.artifacts import Dataset
from medseg.reporting.inspection.measurement import Measurement
from medseg.reporting.inspection.selection import by_hash, cases_to_read, cases_to_show
from medseg.types import Case

BIG, SMALL = (512, 512, 100), (28, 28, 1)


def case(name, patient=None, shape=SMALL, label=""):
    return Case(name, patient or name, "", shape, (1.0, 1.0, 1.0), label)


def dataset(task="segmentation"):
    return Dataset(
        channel_names={"0": "MRI"},
        labels={"background": 0, "liver": 1},
        numTraining=1,
        name="d",
        version="v",
        modality="mr",
        task=task,
        dimensions=3,
        layout="pairs",
    )


def measurement(name, voxels=0, fault=""):
    return Measurement(name, class_voxels={1: voxels} if voxels else {}, fault=fault)


def test_of_many_large_cases_500_are_read_and_of_small_ones_all():
    large = [case(f"c{n}", shape=BIG) for n in range(700)]
    assert len(cases_to_read(large, channels=1)) == 500
    assert len(cases_to_read([case(f"c{n}") for n in range(700)], channels=1)) == 700


def test_a_sample_keeps_the_order_and_does_not_depend_on_it():
    cases = [case(f"c{n}", shape=BIG) for n in range(600)]
    sample = cases_to_read(cases, channels=1)
    assert [cases.index(c) for c in sample] == sorted(cases.index(c) for c in sample)
    assert set(map(id, sample)) == set(map(id, cases_to_read(cases[::-1], channels=1)))


def test_smallest_median_and_largest_marked_parts_are_shown_and_one_without():
    cases = [case(f"c{n}") for n in range(5)]
    voxels = [30, 10, 50, 20, 40]
    measurements = [measurement(c.case, n) for c, n in zip(cases, voxels, strict=True)]
    shown = {c.case: why for c, why in cases_to_show([*cases, case("e")], [*measurements, measurement("e")], dataset())}
    assert shown == {
        "c1": "smallest marked part",
        "c0": "median marked part",
        "c2": "largest marked part",
        "e": "nothing marked",
        "c3": "drawn at random",
        "c4": "drawn at random",
    }


def test_every_patient_is_shown_before_one_is_shown_twice():
    cases = [case(f"a{n}", "a") for n in range(50)] + [case(name) for name in "bcdefg"]
    chosen = cases_to_show(cases, [measurement(c.case) for c in cases], dataset("prediction"))
    assert len(chosen) == 9
    assert {c.patient for c, _ in chosen[:7]} == set("abcdefg")


def test_classes_of_images_take_turns():
    cases = [case(f"n{n}", label="normal") for n in range(40)] + [case(f"p{n}", label="pneumonia") for n in range(4)]
    reasons = [why for _, why in cases_to_show(cases, [measurement(c.case) for c in cases], dataset("classification"))]
    assert sorted(reasons[:8]) == ["normal"] * 4 + ["pneumonia"] * 4


def test_unreadable_cases_are_not_shown():
    cases = [case("a"), case("b")]
    shown = cases_to_show(cases, [measurement("a", fault="damaged"), measurement("b")], dataset())
    assert [c.case for c, _ in shown] == ["b"]


def test_the_draw_does_not_change_when_cases_are_added():
    few = [case(f"c{n}") for n in range(20)]
    many = by_hash([*few, *(case(f"d{n}") for n in range(20))])
    assert [c for c in many if c in few] == by_hash(few)
    assert not np.array_equal(few, by_hash(few))
