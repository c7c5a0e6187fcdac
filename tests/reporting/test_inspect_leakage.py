"""What may be on both sides of a split."""

from medseg.reporting.inspection.leakage import equal_files, find_suspects
from medseg.reporting.inspection.measurement import Measurement, measure
from medseg.storage import open_store
from medseg.types import Case
from tests.reporting.datasets import ScratchDataset, noise


def case(name, patient=None, split=""):
    return Case(name, patient or name, split, (12, 10, 8), (1.0, 1.0, 1.0))


def measured(images):
    return [measure(name, [image], None, flat=False) for name, image in images.items()]


def test_a_patient_in_two_predefined_splits_is_a_suspect():
    cases = [case("a", "p", "train"), case("b", "p", "test"), case("c", "p", "train"), case("d", "q", "test")]
    (suspect,) = find_suspects(cases, []).patients
    assert (suspect.patient, suspect.cases_by_split) == ("p", {"train": 2, "test": 1})


def test_a_patient_that_is_partly_without_a_split_is_none():
    assert find_suspects([case("a", "p", "train"), case("b", "p")], []).patients == ()


def test_identical_voxels_make_one_group_and_are_not_near_copies_besides():
    images = {"a": noise(1), "b": noise(2), "c": noise(1), "d": noise(1)}
    (copies,) = find_suspects([case(name) for name in images], measured(images)).copies
    assert copies.kind == "identical"
    assert [found.case for found in copies.cases] == ["a", "c", "d"]
    assert copies.across_patients
    assert not copies.across_splits


def test_equal_voxels_of_another_size_are_not_identical():
    first, second = measured({"a": noise(1, (12, 10, 8)), "b": noise(1, (12, 10, 8)).reshape(10, 12, 8)})
    assert first.digest != second.digest


def test_copies_between_patients_come_before_those_within_one():
    images = {"a": noise(1), "b": noise(1), "c": noise(2), "d": noise(2)[::-1]}
    cases = [case("a", "p"), case("b", "p"), case("c"), case("d")]
    first, second = find_suspects(cases, measured(images)).copies
    assert (first.kind, first.mirrored_axes, first.across_patients) == ("mirrored", (0,), True)
    assert (second.kind, second.across_patients) == ("identical", False)


def test_equal_files_that_overlap_a_group_join_it():
    images = {"a": noise(1), "b": noise(1)}
    cases = [case(name) for name in ("a", "b", "c")]
    (copies,) = find_suspects(cases, measured(images), [["b", "c"]]).copies
    assert [found.case for found in copies.cases] == ["a", "b", "c"]


def test_a_case_that_cannot_be_read_is_no_suspect():
    assert (
        find_suspects([case("a"), case("b")], [Measurement("a", fault="x"), Measurement("b", fault="x")]).copies == ()
    )


def test_equal_files_are_found_without_reading_voxels(tmp_path):
    made = ScratchDataset(tmp_path, channel_names={"0": "T1", "1": "T2"})
    made.add("a", noise(1), noise(2))
    made.add("b", noise(1), noise(3))  # one channel alone is no copy
    made.add("c", noise(1), noise(2))
    assert equal_files(open_store(made.uri), made.cases, channels=2) == [["a", "c"]]
