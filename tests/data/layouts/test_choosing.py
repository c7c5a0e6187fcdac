"""Folders are recognised, their files make cases, and files that fit nowhere are named."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from medseg.config import DatasetConfig
from medseg.data.layouts import choose_layout, describe_layouts
from medseg.data.layouts.choosing import LAYOUTS
from medseg.data.source import Source
from medseg.errors import DataError, RecipeError, RejectedFileError
from tests.data.layouts.reading import Listed
from tests.data.scenes import SHAPE, reference, volume, write_json, write_pair, write_picture, write_volume

SQUARE = np.zeros((4, 4), np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def nnunet(root: Path, part: str = "Tr", name: str = "a", channels: int = 2) -> None:
    for channel in range(channels):
        write_volume(root / f"images{part}" / f"{name}_{channel:04d}.nii.gz", volume(channel))
    write_volume(root / f"labels{part}" / f"{name}.nii.gz", reference(1, 2))


NNUNET_JSON = {"channel_names": {"0": "T1", "1": "FLAIR"}, "labels": {"background": 0, "core": 1, "edema": 2}}


def test_nnunet_reads_channels_classes_modality_and_test_split(root: Path) -> None:
    write_json(root / "dataset.json", NNUNET_JSON)
    nnunet(root)
    nnunet(root, "Ts", "b")
    found = Listed(root)
    assert found.layout.name == "nnunet"
    assert found.reason.endswith("with channel numbers in the names, such as imagesTr/a_0000.nii.gz")
    assert [(case.case, case.split, len(case.images)) for case in found.cases] == [("a", "", 2), ("b", "test", 2)]
    assert found.listing.classes == {"core": 1, "edema": 2}
    assert (found.listing.channel_names, found.listing.modality) == (("T1", "FLAIR"), "mr")
    assert (found.listing.metadata, found.listing.count) == (["dataset.json"], 2)
    assert np.array_equal(found.image().image.array, np.stack([volume(0), volume(1)]))


def test_nnunet_lists_what_makes_no_case(root: Path) -> None:
    nnunet(root)
    write_volume(root / "imagesTr/gap_0001.nii.gz", volume())
    write_volume(root / "labelsTr/gap.nii.gz", reference(1))
    write_volume(root / "labelsTr/lonely.nii.gz", reference(1))
    write_volume(root / "imagesTs/b_0000.nii.gz", volume())
    assert Listed(root).codes == {
        "imagesTr/gap_0001.nii.gz": "channel-missing",
        "labelsTr/gap.nii.gz": "channel-missing",
        "labelsTr/lonely.nii.gz": "image-missing",
        "imagesTs/b_0000.nii.gz": "reference-missing",
    }


@pytest.mark.parametrize(
    ("labels", "said"),
    [({"whole": [1, 2], "core": 2}, "region"), ({"a": 1, "ignore": 2}, "ignore"), ({"a": "one"}, "whole number")],
)
def test_labels_that_are_not_trained_on_are_said(root: Path, labels: dict, said: str) -> None:
    nnunet(root)
    write_json(root / "dataset.json", {"labels": labels})
    with pytest.raises(DataError, match=said):
        Listed(root)


def test_decathlon_splits_channels_and_leaves_hidden_files(root: Path) -> None:
    promised = [{"image": "./imagesTr/BRATS_001.nii.gz"}, {"image": "./imagesTr/BRATS_002.nii.gz"}]
    labels = {"0": "background", "1": "tumour"}
    write_json(root / "dataset.json", {"modality": {"0": "FLAIR", "1": "T1w"}, "labels": labels, "training": promised})
    write_volume(root / "imagesTr/BRATS_001.nii.gz", volume(shape=(*SHAPE, 2)))
    write_volume(root / "labelsTr/BRATS_001.nii.gz", reference(1))
    (root / "imagesTr/._BRATS_001.nii.gz").write_bytes(b"fork")
    found = Listed(root)
    assert (found.layout.name, found.listing.classes, found.listing.modality) == ("decathlon", {"tumour": 1}, "mr")
    assert found.names == ["BRATS_001"]
    assert found.image().image.array.shape == (2, *SHAPE)
    assert found.listing.warnings == ["dataset.json: 1 of its 2 training images are absent"]


def test_four_digits_are_a_channel_only_where_the_references_say_so(root: Path) -> None:
    for name in ("la_0003", "la_0004"):
        write_volume(root / f"imagesTr/{name}.nii.gz", volume())
        write_volume(root / f"labelsTr/{name}.nii.gz", reference(1))
    assert (Listed(root).layout.name, Listed(root).names) == ("decathlon", ["la_0003", "la_0004"])


def test_pairs_match_equal_names_or_a_channel_suffix(root: Path) -> None:
    write_pair(root, "a_2019")
    write_volume(root / "images/b_0000.nii.gz", volume())
    write_volume(root / "labels/b.nii", reference(1))
    found = Listed(root)
    assert (found.layout.name, found.names) == ("pairs", ["a_2019", "b"])


def test_the_same_name_twice_is_left_out_and_names_that_become_one_are_kept_apart(root: Path) -> None:
    for name in ("a.jpg", "a.png", "b c.png", "b_c.png"):
        write_picture(root / "images" / name, SQUARE)
    for name in ("a", "b c", "b_c"):
        write_picture(root / f"masks/{name}.png", SQUARE)
    found = Listed(root)
    first, second, third = found.names
    assert (first, second) == ("a", "b_c")
    assert third.startswith("b_c-")
    assert found.codes == {"images/a.png": "duplicate-case"}


def test_labels_beside_masks_is_ambiguous(root: Path) -> None:
    write_pair(root)
    write_volume(root / "masks/a.nii.gz", reference(1))
    with pytest.raises(DataError, match=r"both labels/\{case\}\.\{ext\} and masks/"):
        Listed(root)


def test_channels_on_different_grids_are_refused(root: Path) -> None:
    nnunet(root)
    write_volume(root / "imagesTr/a_0001.nii.gz", volume(), np.diag([1.0, 2.0, 4.0, 1.0]))
    found = Listed(root)
    with pytest.raises(RejectedFileError) as caught:
        found.image()
    assert (caught.value.code, caught.value.path) == ("channel-geometry", root / "imagesTr/a_0001.nii.gz")


def test_an_unknown_name_or_card_key_names_the_choices(root: Path) -> None:
    write_pair(root)
    with pytest.raises(RecipeError, match=r"'nnunt': unknown layout; choose auto, nnunet, decathlon"):
        Listed(root, "nnunt")
    with pytest.raises(RecipeError, match=r"refrences = .*Did you mean 'references'\?"):
        Listed(root, {"images": "images/{case}.{ext}", "refrences": "labels/{case}.{ext}"})


def test_a_source_of_no_known_or_of_another_layout_says_what_it_holds(root: Path) -> None:
    (root / "notes.txt").touch()
    with pytest.raises(DataError, match=r"no known layout; it holds notes\.txt[\s\S]*nnunet[\s\S]*imagesTr/liver"):
        Listed(root)
    write_pair(root)
    with pytest.raises(DataError, match=r"not the layout 'nnunet': no file is named as images\{split\}"):
        Listed(root, "nnunet")


def test_pictures_beside_their_masks_are_never_taken_for_classes_or_for_unlabelled(root: Path) -> None:
    for folder in ("images", "outlines"):
        write_picture(root / folder / "a.png", SQUARE)
    with pytest.raises(DataError, match="no known layout"):
        Listed(root)


def test_every_layout_is_described_with_an_example_and_can_go_to_another_process(root: Path) -> None:
    text = describe_layouts()
    for name, build in LAYOUTS.items():
        assert f"  {name} " in text
        assert pickle.loads(pickle.dumps(build(DatasetConfig(name="x")))).name == name


def test_recognition_looks_at_a_glimpse_only(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        name = f"imagesTr/{number:03d}_0000.nii.gz"
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    for number in range(300):
        (root / "labelsTr").mkdir(exist_ok=True)
        (root / f"labelsTr/{number:03d}.nii.gz").touch()
    source = Source(root)
    assert len(source.glimpse) == 200
    monkeypatch.setattr(source, "names", lambda: pytest.fail("walked through the whole source"))
    monkeypatch.setattr(source, "open", lambda name: pytest.fail("opened a file"))
    layout, _ = choose_layout(source, DatasetConfig(name="x"))
    assert layout.name == "nnunet"


def test_cases_csv_gives_patients_and_splits(root: Path) -> None:
    for name in ("a", "b", "c"):
        write_pair(root, name)
    (root / "cases.csv").write_text("case,split,finding,patient\na.nii.gz,val,x,p1\nb,TEST,y,p1\nzzz,,,\n")
    found = Listed(root)
    cases = [(case.case, case.patient, case.split) for case in found.cases]
    assert cases == [("a", "p1", "validation"), ("b", "p1", "test"), ("c", "c", "")]
    assert "zzz" in found.listing.warnings[0]
    assert found.listing.metadata == ["cases.csv"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("case,split\na,holdout\n", r"cases\.csv, line 2: split is 'holdout'; choose train, validation, test"),
        ("case\na\na\n", "line 3: case 'a' is listed twice"),
        ("name\na\n", "needs a column 'case'"),
        ("case\n\x00a\n\udcff", "cannot be read as a table"),
    ],
)
def test_faults_in_cases_csv_name_file_line_and_choices(root: Path, table: str, said: str) -> None:
    write_pair(root)
    (root / "cases.csv").write_bytes(table.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=said):
        Listed(root)


def test_under_a_key_no_name_of_a_file_or_patient_is_left(root: Path) -> None:
    for name in ("Mueller_Anna_1", "Mueller_Anna_2", "Schmidt_Jan"):
        write_pair(root, name)
    write_volume(root / "images/Weber_Eva.nii.gz", volume())
    rows = ("case,patient,split", "Mueller_Anna_1,MRN12345,", "Mueller_Anna_2,MRN12345,test", "Else,,")
    (root / "cases.csv").write_text("\n".join(rows))
    found = Listed(root, deidentify={"key": "env:KEY"})
    first, second, third = found.cases
    assert first.patient == second.patient != third.patient
    assert (first.split, second.split, third.split) == ("", "test", "")
    assert len({case.case for case in found.cases}) == 3
    assert all(case.case.startswith(f"{case.patient}-") for case in found.cases)
    written = " ".join((*found.names, *found.listing.warnings, *(row.reason for row in found.listing.rejected)))
    assert not any(name in written for name in ("Mueller", "Schmidt", "Weber", "Else", "MRN"))
    assert found.reading.identities.find(b"seen: Mueller_Anna_2 of MRN12345")
    assert found.image().image.array.shape == (1, *SHAPE)
    assert Listed(root, deidentify={"key": "env:KEY"}).names == found.names
