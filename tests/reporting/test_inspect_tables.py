"""Counts and texts of an inspection that can be told by hand."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.artifacts import Dataset
from medseg.errors import DataError
from medseg.reporting.inspection.composition import classes_of_images, main_facets, more_facets, scanner
from medseg.reporting.inspection.figures import boxes_svg, scale_of
from medseg.reporting.inspection.rejections import read_rejections
from medseg.reporting.inspection.text import listed, quantity, visible
from medseg.types import Case


def case(name, patient="p", split="", shape=(10, 10, 10), spacing_mm=(1.0, 1.0, 1.0), label="", **facts):
    return Case(name, patient, split, shape, spacing_mm, label, facts)


def dataset(**settings):
    about = {"numTraining": 1, "name": "d", "version": "v", "modality": "mr", "dimensions": 3, "layout": "pairs"}
    return Dataset.model_validate(about | {"channel_names": {"0": "MRI"}, "labels": {"background": 0}} | settings)


def test_cases_and_patients_are_counted_by_every_property():
    cases = [
        case("a", "p", shape=(10, 20, 30), modality="MR", manufacturer="GE", model="Signa", body_part="HEAD"),
        case("b", "p", modality="MR", manufacturer="GE", model="GE Signa"),
        case("c", "q", spacing_mm=(0.5, 0.5001, 3.0)),
    ]
    modality, scanners, body_part, size, spacing = main_facets(cases, dataset())
    assert [(c.value, c.cases, c.patients) for c in modality.counts] == [("MR", 2, 1), ("not stated", 1, 1)]
    assert {c.value for c in scanners.counts} == {"GE Signa", "not stated"}
    assert {c.value for c in body_part.counts} == {"HEAD", "not stated"}
    assert {c.value for c in size.counts} == {"10 × 20 × 30", "10 × 10 × 10"}
    assert {c.value for c in spacing.counts} == {"1 × 1 × 1", "0.5 × 0.5 × 3"}


def test_rare_values_are_counted_together():
    size = main_facets([case(f"c{n}", shape=(10 + n, 1, 1)) for n in range(10)], dataset())[3]
    assert len(size.counts) + size.others == 10
    assert sum(c.cases for c in size.counts) + size.other_cases == 10


def test_without_facts_a_property_is_not_stated():
    assert [facet.stated for facet in main_facets([case("a")], dataset())] == [False, False, False, True, True]
    assert more_facets([case("a")]) == ()


def test_pictures_without_a_scale_have_no_spacing():
    names = [f.name for f in main_facets([case("a", shape=(8, 8, 1))], dataset(dimensions=2))]
    assert names[-1] == "Size in pixels"


def test_every_further_fact_is_counted():
    (facet,) = more_facets([case("a", magnetic_field_t="3"), case("b", manufacturer="GE", magnetic_field_t="1.5")])
    assert facet.name == "Magnetic field t"
    assert [c.value for c in facet.counts] == ["1.5", "3"]


def test_a_model_that_names_its_manufacturer_is_a_whole_scanner():
    assert scanner(case("a", manufacturer="Philips", model="PHILIPS Ingenia")) == "PHILIPS Ingenia"
    assert scanner(case("a", manufacturer="Philips")) == "Philips"
    assert scanner(case("a", model="Ingenia")) == "Ingenia"


def test_classes_of_images_are_counted_by_split_and_unused_ones_are_named():
    cases = [case("a", split="train", label="sick"), case("b", split="test", label="sick"), case("c")]
    found = classes_of_images(cases, dataset(task="classification", labels={"healthy": 0, "sick": 1}))
    assert [(c.name, c.cases, c.by_split) for c in found] == [
        ("healthy", 0, {}),
        ("sick", 2, {"train": 1, "test": 1}),
        ("not stated", 1, {"not predefined": 1}),
    ]
    assert classes_of_images(cases, dataset()) == ()


def table(*rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "code", "reason"), *rows])
    return text.getvalue().encode()


def test_rejected_files_are_counted_by_code_with_the_first_five():
    rows = [(f"file{n}", "empty-file", "has 0 bytes") for n in range(7)] + [("x", "no-affine", "has none")]
    first, second = read_rejections(table(*rows), "rejected.csv")
    assert (first.code, first.files, [path for path, _ in first.examples]) == (
        "empty-file",
        7,
        ["file0", "file1", "file2", "file3", "file4"],
    )
    assert (second.code, second.files, second.examples) == ("no-affine", 1, (("x", "has none"),))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_file_name_can_be_listed(name):
    (code,) = read_rejections(table((name, "empty-file", "has 0 bytes")), "rejected.csv")
    assert code.examples[0][0] == name.replace("\r\n", "\n").replace("\r", "␍")


def test_no_rejected_file_is_no_code():
    assert read_rejections(table(), "rejected.csv") == ()


def test_a_damaged_table_is_named():
    with pytest.raises(DataError, match="bucket/rejected.csv: not a list of rejected files"):
        read_rejections(b"path,code\nx,y\n", "bucket/rejected.csv")


def test_invisible_characters_become_visible():
    assert visible("a\x1b[31m\u202egnp.exe\n") == "a\\x1b[31m\\u202egnp.exe\\n"
    assert visible("Müller 胸") == "Müller 胸"


def test_long_lists_are_cut():
    assert listed(("a", "b", "c"), 2) == "a, b and 1 more"
    assert [quantity(v) for v in (1234567.8, 12.345, 0.00123)] == ["1,234,568", "12.3", "0.00123"]


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1, 2, 3], "linear"), ([1, 2, 1000], "log"), ([-1000, 1, 2], "symlog"), ([0, 1, 1000], "symlog"), ([], "linear")],
)
def test_axes_are_logarithmic_where_few_cases_are_far_out(values, scale):
    assert scale_of(np.array(values, dtype=float)) == scale


@pytest.mark.parametrize("values", [[], [5.0], [0.0, 0.0], [1.0, 1e6], [-1e6, 3.0, 0.1]])
def test_any_values_and_names_can_be_drawn(values):
    rows = {"$\\frac{$ & <b>": np.array(values), "胸" * 50: np.array([1.0])}
    svg = boxes_svg(rows, "x $_$")
    assert svg == boxes_svg(rows, "x $_$")
    assert "prefers-color-scheme:dark" in svg
