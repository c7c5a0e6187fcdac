"""Numbers and page of small data sets that can be counted by hand."""

import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from medseg.errors import DataError
from medseg.reporting.inspection.page import render
from medseg.reporting.inspection.survey import survey
from tests.reporting.datasets import ScratchDataset, marked, noise

HOSTILE = "<script>alert(1)</script>&\"'\u202e$x$\n"


def test_class_volumes_are_voxels_times_voxel_volume(tmp_path):
    made = ScratchDataset(tmp_path)
    made.add("a", noise(1), reference=marked(liver=100, tumour=5))
    made.add("b", noise(2), reference=marked(liver=50), spacing_mm=(1.0, 1.0, 5.0))
    liver, tumour = survey(made.close()).class_volumes
    assert liver.amounts.tolist() == pytest.approx([100 * 8 / 1000, 50 * 5 / 1000])
    assert liver.absent == ()
    assert tumour.amounts.tolist() == pytest.approx([5 * 8 / 1000])
    assert tumour.absent == ("b",)


def test_areas_of_pictures_are_percent(tmp_path):
    made = ScratchDataset(tmp_path, dimensions=2, modality="xray")
    shape = (10, 10, 1)
    made.add("a", noise(1, shape), reference=marked(shape, liver=25), spacing_mm=(1.0, 1.0, 1.0))
    found = survey(made.close())
    assert found.unit == "%"
    assert found.class_volumes[0].amounts.tolist() == [25.0]


def test_intensities_are_told_of_all_voxels_and_of_the_marked_ones(tmp_path):
    made = ScratchDataset(tmp_path, channel_names={"0": "T1", "1": "T2"})
    image = np.arange(960, dtype=np.int16).reshape(12, 10, 8)
    made.add("a", image, 1000 + image, reference=marked(liver=101))  # the first 101 voxels: 0 to 100
    made.add("b", image, 1000 + image, reference=marked())
    t1, t2 = survey(made.close()).intensities
    assert (t1.channel, t1.cases) == ("T1", ("a", "b"))
    assert t1.everywhere[0].tolist() == pytest.approx([9.59, 239.75, 479.5, 719.25, 949.41])
    assert t1.marked[0].tolist() == pytest.approx([1, 25, 50, 75, 99])
    assert np.isnan(t1.marked[1]).all()
    assert t2.everywhere[0].tolist() == pytest.approx((1000 + t1.everywhere[0]).tolist())


def test_a_large_image_is_sampled_the_same_way_each_time(tmp_path):
    made = ScratchDataset(tmp_path)
    image = np.arange(80**3, dtype=np.float32).reshape(80, 80, 80)
    made.add("a", image, reference=marked(image.shape, liver=300_000))
    first, second = survey(made.close()), survey(made.uri)
    exact = np.percentile(image, [1, 25, 50, 75, 99])
    assert first.intensities[0].everywhere[0] == pytest.approx(exact, abs=0.01 * image.size)
    assert (first.intensities[0].everywhere == second.intensities[0].everywhere).all()
    assert first.intensities[0].marked.max() < 300_000


def test_a_damaged_and_a_missing_image_are_named_and_the_others_counted(tmp_path):
    made = ScratchDataset(tmp_path)
    for seed, name in enumerate("abcd"):
        made.add(name, noise(seed), reference=marked(liver=10))
    uri = made.close()
    (made.folder / "images/b_0000.nii.gz").write_bytes(b"\x1f\x8b not gzip")
    (made.folder / "labels/c.nii.gz").unlink()
    found = survey(uri)
    assert found.read == 2
    assert found.intensities[0].cases == ("a", "d")
    first, second = found.faults
    assert "images/b_0000.nii.gz" in first
    assert "labels/c.nii.gz" in second
    assert "2 cases of the data set cannot be read" in text_of(render(found))


def test_a_reference_of_another_shape_is_a_fault(tmp_path):
    made = ScratchDataset(tmp_path)
    made.add("a", noise(1), reference=marked((3, 3, 3), liver=1))
    assert "labels/a.nii.gz: reference has shape (3, 3, 3)" in survey(made.close()).faults[0]


def test_several_processes_find_the_same(tmp_path):
    made = ScratchDataset(tmp_path)
    for seed in range(40):
        made.add(f"c{seed}", noise(seed % 39), reference=marked(liver=seed + 1))
    uri = made.close()
    first, second = survey(uri), survey(uri, workers=2)
    assert [c.case for c in first.suspects.copies[0].cases] == ["c0", "c39"]
    assert without_time(render(first)) == without_time(render(second))


@pytest.mark.parametrize("task", ["classification", "prediction"])
def test_sets_without_references_have_a_page(tmp_path, task):
    labels = {"healthy": 0, "sick": 1} if task == "classification" else {}
    made = ScratchDataset(tmp_path, task=task, labels=labels)
    (made.folder / "labels").rmdir()
    made.add("a", noise(1), label="sick" if labels else "")
    made.add("b", noise(2), label="sick" if labels else "")
    found = survey(made.close())
    assert found.class_volumes == ()
    assert len(found.thumbnails) == 2
    assert ("No case has the class healthy." in text_of(render(found))) == bool(labels)


def test_an_empty_set_has_a_page(tmp_path):
    assert "0 cases of 0 patients" in text_of(render(survey(ScratchDataset(tmp_path).close())))


def test_a_damaged_table_is_an_error_that_names_it(tmp_path):
    made = ScratchDataset(tmp_path)
    uri = made.close()
    (made.folder / "cases.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match=r"cases\.parquet"):
        survey(uri)


def test_the_page_tells_what_to_look_at_first(tmp_path):
    made = ScratchDataset(tmp_path)
    made.add("a", noise(1), reference=marked(liver=10), patient="p", split="train")
    made.add("b", noise(2), reference=marked(liver=10), patient="p", split="test")
    made.add("c", noise(2)[::-1], reference=marked(liver=10), split="train")
    text = text_of(render(survey(made.close(rejected=(("x.nii.gz", "empty-file", "has 0 bytes"),)))))
    assert "1 patient has cases in several predefined splits." in text
    assert "1 group of copied images under different patients." in text
    assert "1 group of copied images in different predefined splits." in text
    assert "1 file of the source left out." in text
    assert "No case that was read holds tumour." in text
    assert "mirrored left-right" in text


def test_no_name_from_outside_becomes_markup(tmp_path):
    made = ScratchDataset(tmp_path, labels={"background": 0, HOSTILE: 1}, channel_names={"0": HOSTILE}, layout=HOSTILE)
    made.add("a", noise(1), reference=marked(liver=9), patient=HOSTILE, split=HOSTILE, facts={HOSTILE: HOSTILE})
    made.add("b", noise(1), reference=marked(), patient="q", facts={"model": HOSTILE})
    page = render(survey(made.close(rejected=((HOSTILE, HOSTILE, HOSTILE),), warnings=(HOSTILE,))))
    assert "<script" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;" in page


def test_the_page_needs_nothing_else_and_every_picture_has_a_text(tmp_path):
    made = ScratchDataset(tmp_path)
    for seed in range(3):
        made.add(f"c{seed}", noise(seed, (12, 10 + seed, 8)), reference=marked((12, 10 + seed, 8), liver=9))
    parser = _Elements()
    parser.feed(render(survey(made.close())))
    assert not {"script", "link", "iframe"} & {tag for tag, _ in parser.found}
    links = [value for _, attributes in parser.found for name, value in attributes if name in ("src", "href")]
    assert links
    assert all(link.startswith(("data:image/", "#")) for link in links)
    ids = [value for _, attributes in parser.found for name, value in attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert all(dict(attributes).get("alt") for tag, attributes in parser.found if tag == "img")
    levels = [int(tag[1]) for tag, _ in parser.found if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))


class _Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []
        self.texts = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, attributes))

    def handle_data(self, data):
        self.texts.append(data)


def text_of(page):
    parser = _Elements()
    parser.feed(page)
    return " ".join("".join(parser.texts).split())


def without_time(page):
    return re.sub("<time.*?</time>", "", page)
