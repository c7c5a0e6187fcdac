"""What a card can say: patterns, classes by file, merging, colours, tables and splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.data.layouts.card import read_card
from medseg.data.layouts.pattern import compile_pattern
from medseg.errors import DataError, RecipeError, RejectedFileError
from tests.data.layouts.reading import Listed
from tests.data.scenes import SHAPE, reference, volume, write_picture, write_volume

GREY = np.full((4, 3), 50, np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def mask(*columns: int, level: int = 255) -> np.ndarray:
    """A picture of 4 rows and 3 columns with some columns drawn."""
    drawn = np.zeros((4, 3), np.uint8)
    drawn[:, list(columns)] = level
    return drawn


def shown(image) -> np.ndarray:
    """The picture that an image of one slice was read from."""
    return image.array[0, ::-1, ::-1, 0].T


def code(found: Listed) -> str:
    with pytest.raises(RejectedFileError) as caught:
        found.reference()
    assert caught.value.path is None or str(caught.value.path).startswith(str(found.source.root))
    return caught.value.code


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("images/{case}.{ext}", "images/a.b.nii.gz", {"case": "a.b", "ext": "nii.gz"}),
        ("images/{case}.{ext}", "images/A.PNG", {"case": "A", "ext": "PNG"}),
        ("images/{case}.{ext}", "images/deep/a.png", None),
        ("images/{case}.{ext}", "images/a.txt", None),
        ("{case}_{channel}.{ext}", "x_1_0002.nii", {"case": "x_1", "channel": "0002", "ext": "nii"}),
        ("**/{case}_mask*.png", "d/e/benign (5)_mask_1.png", {"case": "benign (5)"}),
        ("**/{case}.png", "a.png", {"case": "a"}),
        ("{patient}/{patient}_{case}.png", "p1/p1_a.png", {"patient": "p1", "case": "a"}),
        ("{patient}/{patient}_{case}.png", "p1/p2_a.png", None),
        ("{case}.png", ".a.png", None),
    ],
)
def test_patterns_match_whole_names(pattern: str, name: str, found: dict | None) -> None:
    assert compile_pattern(pattern).match(name) == found


@given(case=st.text(st.characters(exclude_characters="/\n\r", exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_case_name_is_read_back_from_a_pattern(case: str) -> None:
    found = compile_pattern("x/{case}.nii.gz").match(f"x/{case}.nii.gz")
    assert case.startswith(".") or (found is not None and found["case"] == case)


def test_a_long_hostile_name_is_matched_in_no_time() -> None:
    pattern = compile_pattern("**/{case}_mask*_{channel}.{ext}")
    assert pattern.match("a/" * 500 + "_mask" * 400 + ".txt") is None


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"images": "{cse}.png"}, r"\{cse\} is no placeholder; choose from \{case\}, \{patient\}"),
        ({"images": "{case.png"}, "no placeholder"),
        ({"images": "/data/{case}.png"}, "without a slash at its start"),
        ({}, "images: is missing"),
        ({"images": "{split}/{case}.png"}, r"say what \{split\} stands for"),
        ({"images": "{case}.png", "references": "{patient}/{case}.png"}, r"\{patient\} must be in images too"),
        ({"images": "i/{case}.png", "references": {"a": "{class}/{case}.png"}}, "both name classes"),
        ({"images": "i/{case}.png", "references": "m/{case}.png", "colours": {"a": "rouge"}}, "unknown color"),
        ({"images": "{class}/{case}.png", "references": "m/{case}.png"}, "exclude each other"),
        ({"images": "i/{case}.png", "modality": "xr"}, "modality = 'xr'"),
        ({"images": "i/{case}.png", "table": {"file": "a.csv"}}, r"table\.label: is missing"),
    ],
)
def test_a_faulty_card_says_the_key_and_the_choices(card: dict, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        read_card(card, "dataset.layout")


def test_left_and_right_masks_are_two_classes_or_one(root: Path) -> None:
    write_picture(root / "images/a.png", GREY)
    write_picture(root / "leftMask/a.png", mask(2))
    write_picture(root / "rightMask/a.png", mask(0))
    write_picture(root / "images/half.png", GREY)
    write_picture(root / "leftMask/half.png", mask(2))
    found = Listed(root)
    assert (found.layout.name, found.names, found.listing.modality) == ("left-right-lungs", ["a"], "xray")
    assert found.listing.classes == found.reference().names == {"left_lung": 1, "right_lung": 2}
    assert np.array_equal(shown(found.reference().image), mask(2, level=1) + mask(0, level=2))
    assert found.codes == dict.fromkeys(("images/half.png", "leftMask/half.png"), "reference-missing")
    both = ["leftMask/{case}.{ext}", "rightMask/{case}.{ext}"]
    joined = Listed(root, {"images": "images/{case}.{ext}", "references": {"lung": both}, "merge": True})
    assert joined.names == ["a"]
    assert np.array_equal(shown(joined.reference().image), mask(0, 2, level=1))


def test_classes_that_claim_one_voxel_are_refused_or_ordered_by_the_recipe(root: Path) -> None:
    write_picture(root / "images/a.png", GREY)
    write_picture(root / "masks/lung/a.png", mask(0, 1))
    write_picture(root / "masks/heart/a.png", mask(1, 2))
    card = {"images": "images/{case}.{ext}", "references": "masks/{class}/{case}.{ext}"}
    assert code(Listed(root, card, overlap="refuse")) == "overlapping-segments"
    first = Listed(root, card, overlap="first", classes={"lung": 1, "heart": 2}).reference()
    assert np.array_equal(shown(first.image), mask(0, 1, level=1) + mask(2, level=2))
    last = Listed(root, card, overlap="last", classes={"lung": 1, "heart": 2}).reference()
    assert np.array_equal(shown(last.image), mask(0, level=1) + mask(1, 2, level=2))
    assert Listed(root, card).listing.classes == {"heart": 1, "lung": 2}


def test_several_masks_of_one_class_are_merged(root: Path) -> None:
    for case in ("benign (5)", "normal (1)"):
        write_picture(root / case.split()[0] / f"{case}.png", GREY)
    write_picture(root / "benign/benign (5)_mask.png", mask(0))
    write_picture(root / "benign/benign (5)_mask_1.png", mask(2, level=1))
    write_picture(root / "normal/normal (1)_mask.png", mask())
    found = Listed(root)
    assert (found.layout.name, found.names) == ("busi", ["benign__5_", "normal__1_"])
    assert np.array_equal(shown(found.reference().image), mask(0, 2))
    assert found.reference(found.cases[1]).image.array.max() == 0


def test_masks_to_merge_must_hold_one_class_on_one_grid(root: Path) -> None:
    write_picture(root / "a/images/x.png", GREY)
    write_picture(root / "a/masks/1.png", mask(0, level=1) + mask(1, level=2))
    assert code(Listed(root)) == "several-values"
    write_picture(root / "a/masks/1.png", mask(0))
    write_picture(root / "a/masks/2.png", np.zeros((5, 5), np.uint8))
    assert (Listed(root).layout.name, code(Listed(root))) == ("objects", "shape-mismatch")


def test_volumes_may_be_merged_too(root: Path) -> None:
    write_volume(root / "p7/ct.nii.gz", volume())
    for number in (1, 2):
        write_volume(root / f"p7/lesion_{number}.nii.gz", np.roll(reference(9), number, axis=0))
    card = {"images": "{patient}/ct.nii.gz", "references": "{patient}/lesion_*.nii.gz", "merge": True}
    found = Listed(root, card)
    assert [(case.case, case.patient) for case in found.cases] == [("p7", "p7")]
    assert np.array_equal(found.reference().image.array[0], np.roll(reference(255, 255), 1, axis=0))


def test_colours_are_classes_and_blended_edges_go_to_the_nearest(root: Path) -> None:
    colours = np.zeros((6, 9, 3), np.uint8)
    colours[:, :3] = (255, 0, 0)
    colours[:, 3] = (180, 0, 0)
    colours[:, 4] = (60, 0, 0)
    colours[:, 6:] = (250, 255, 8)
    write_picture(root / "images/a.png", np.zeros((6, 9), np.uint8))
    write_picture(root / "drawn/a.png", colours)
    card = {
        "images": "images/{case}.{ext}",
        "references": "drawn/{case}.{ext}",
        "colours": {"bowel": "yellow", "stomach": "red"},
    }
    found = Listed(root, card)
    assert found.listing.classes == found.reference().names == {"bowel": 1, "stomach": 2}
    assert shown(found.reference().image)[0].tolist() == [2, 2, 2, 2, 0, 0, 1, 1, 1]
    assert code(Listed(root, {**card, "colours": {"stomach": "red"}})) == "unknown-colour"
    assert code(Listed(root, {**card, "colour_tolerance": 4})) == "unknown-colour"


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_jpeg_noise_stays_within_the_tolerance(root: Path, quality: int) -> None:
    drawn = np.zeros((64, 64, 3), np.uint8)
    drawn[8:30, 8:30], drawn[34:60, 20:60] = (255, 0, 0), (0, 255, 0)
    write_picture(root / "images/a.png", np.zeros((64, 64), np.uint8))
    write_picture(root / "drawn/a.jpg", drawn, quality=quality)
    colours = {"red": "red", "green": "lime"}
    card = {"images": "images/{case}.{ext}", "references": "drawn/{case}.{ext}", "colours": colours}
    values = shown(Listed(root, card).reference().image)
    wanted = (drawn[..., 0] > 0) * 1 + (drawn[..., 1] > 0) * 2
    assert (values != wanted).mean() < 0.01
    assert np.array_equal(values[12:26, 12:26], wanted[12:26, 12:26])


def test_named_channels_come_in_the_order_of_the_card(root: Path) -> None:
    for number, channel in enumerate(("flair", "t1", "t1ce")):
        write_volume(root / f"p1/p1_{channel}.nii.gz", volume(number))
    write_volume(root / "p1/p1_seg.nii.gz", reference(1))
    write_volume(root / "p2/p2_t1.nii.gz", volume())
    write_volume(root / "p2/p2_seg.nii.gz", reference(1))
    card = {
        "images": "{case}/{case}_{channel}.{ext}",
        "references": "{case}/{case}_seg.{ext}",
        "channels": ["t1", "t1ce", "flair"],
    }
    found = Listed(root, card)
    assert found.listing.channel_names == ("t1", "t1ce", "flair")
    assert np.array_equal(found.image().image.array, np.stack([volume(1), volume(2), volume(0)]))
    assert set(found.codes.values()) == {"channel-missing"}


def test_folders_of_classes_and_splits_are_a_classification(root: Path) -> None:
    for name in ("train/normal/1.png", "train/pneumonia/2.png", "test/normal/3.png"):
        write_picture(root / name, GREY)
    found = Listed(root)
    assert (found.layout.name, found.listing.task) == ("class-folders", "classification")
    assert found.listing.classes == {"normal": 0, "pneumonia": 1}
    assert [(case.case, case.split, case.label, case.references) for case in found.cases] == [
        ("normal_3", "test", "normal", ()),
        ("normal_1", "train", "normal", ()),
        ("pneumonia_2", "train", "pneumonia", ()),
    ]


def test_a_table_gives_classes_and_names_images_without_one(root: Path) -> None:
    for name in "abc":
        write_picture(root / f"images/{name}.png", GREY)
    (root / "labels.csv").write_text("case,label,patient,split\na.png,ill,p1,test\nb,well,p1,\nc,,p2,\n")
    found = Listed(root)
    assert (found.layout.name, found.listing.task, found.listing.count) == ("class-table", "classification", 2)
    assert [(case.case, case.patient, case.split, case.label) for case in found.cases] == [
        ("a", "p1", "test", "ill"),
        ("b", "p1", "", "well"),
    ]
    assert found.listing.classes == {"ill": 0, "well": 1}
    assert found.codes == {"images/c.png": "label-missing"}


def test_images_alone_are_for_prediction(root: Path) -> None:
    for name in ("a.nii.gz", "b.nii.gz"):
        write_volume(root / name, volume())
    found = Listed(root)
    assert (found.layout.name, found.listing.task, found.names) == ("unlabelled", "prediction", ["a", "b"])
    assert found.listing.classes is None
    assert "not trained on" in found.reason
    assert found.image().image.array.shape == (1, *SHAPE)


def test_a_case_in_a_folder_of_its_own_is_recognised(root: Path) -> None:
    for patient in ("p1", "p2"):
        write_volume(root / patient / "image.nii.gz", volume())
        write_volume(root / patient / "label.nii.gz", reference(1))
    assert (Listed(root).layout.name, Listed(root).names) == ("case-folders", ["p1", "p2"])


def test_equal_names_of_several_patients_stay_apart(root: Path) -> None:
    for patient in ("p1", "p2"):
        write_volume(root / patient / "scan.nii.gz", volume())
    found = Listed(root, {"images": "{patient}/{case}.{ext}"})
    assert [(case.case, case.patient) for case in found.cases] == [("p1_scan", "p1"), ("p2_scan", "p2")]


def test_a_card_that_fits_nothing_names_its_patterns(root: Path) -> None:
    write_picture(root / "a.png", GREY)
    with pytest.raises(DataError, match=r"no file is named as scans/\{case\}\.png"):
        Listed(root, {"images": "scans/{case}.png"})
