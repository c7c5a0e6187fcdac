"""Folders are recognised, their files make cases, and files that fit nowhere are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medseg.data.layouts import Listing, Source, choose_layout
from medseg.data.layouts.cases_csv import apply_cases_csv
from medseg.errors import DataError
from tests.data.scenes import (
    SHAPE,
    reference,
    series_datasets,
    volume,
    write_json,
    write_pair,
    write_picture,
    write_series,
    write_volume,
)


def listed(root: Path, wanted: str = "auto") -> tuple[str, Listing]:
    source = Source.of_folder(root)
    layout, _ = choose_layout(source, wanted)
    return layout.name, apply_cases_csv(source, layout.read(source))


def codes(listing: Listing) -> dict[str, str]:
    return {rejection.path: rejection.code for rejection in listing.rejected}


def nnunet(root: Path, part: str = "Tr", name: str = "a", channels: int = 2) -> None:
    for channel in range(channels):
        write_volume(root / f"images{part}" / f"{name}_{channel:04d}.nii.gz", volume(channel))
    write_volume(root / f"labels{part}" / f"{name}.nii.gz", reference(1, 2))


NNUNET_JSON = {"channel_names": {"0": "T1", "1": "FLAIR"}, "labels": {"background": 0, "core": 1, "edema": 2}}


def test_nnunet_reads_channels_classes_modality_and_test_split(tmp_path: Path) -> None:
    write_json(tmp_path / "dataset.json", NNUNET_JSON)
    nnunet(tmp_path)
    nnunet(tmp_path, "Ts", "b")
    name, listing = listed(tmp_path)
    assert name == "nnunet"
    assert [(case.case, case.split, len(case.images)) for case in listing.cases] == [("a", "", 2), ("b", "test", 2)]
    assert listing.classes == {"core": 1, "edema": 2}
    assert (listing.channel_names, listing.modality) == (("T1", "FLAIR"), "mr")
    assert listing.metadata == ["dataset.json"]


def test_nnunet_lists_what_makes_no_case(tmp_path: Path) -> None:
    nnunet(tmp_path)
    write_volume(tmp_path / "imagesTr/gap_0001.nii.gz", volume())
    write_volume(tmp_path / "labelsTr/gap.nii.gz", reference(1))
    write_volume(tmp_path / "labelsTr/lonely.nii.gz", reference(1))
    write_volume(tmp_path / "imagesTs/b_0000.nii.gz", volume())
    _, listing = listed(tmp_path)
    assert codes(listing) == {
        "imagesTr/gap_0001.nii.gz": "channel-missing",
        "labelsTr/gap.nii.gz": "channel-missing",
        "labelsTr/lonely.nii.gz": "image-missing",
        "imagesTs/b_0000.nii.gz": "reference-missing",
    }


@pytest.mark.parametrize(
    ("labels", "said"),
    [({"whole": [1, 2], "core": 2}, "region"), ({"a": 1, "ignore": 2}, "ignore"), ({"a": "one"}, "whole number")],
)
def test_labels_that_are_not_trained_on_are_said(tmp_path: Path, labels: dict, said: str) -> None:
    nnunet(tmp_path)
    write_json(tmp_path / "dataset.json", {"labels": labels})
    with pytest.raises(DataError, match=said):
        listed(tmp_path)


def test_decathlon_splits_channels_and_leaves_hidden_files(tmp_path: Path) -> None:
    write_json(
        tmp_path / "dataset.json",
        {"modality": {"0": "FLAIR", "1": "T1w"}, "labels": {"0": "background", "1": "tumour"}},
    )
    write_volume(tmp_path / "imagesTr/BRATS_001.nii.gz", volume(shape=(*SHAPE, 2)))
    write_volume(tmp_path / "labelsTr/BRATS_001.nii.gz", reference(1))
    (tmp_path / "imagesTr/._BRATS_001.nii.gz").write_bytes(b"fork")
    source = Source.of_folder(tmp_path)
    layout, _ = choose_layout(source, "auto")
    listing = layout.read(source)
    assert (layout.name, listing.classes, listing.modality) == ("decathlon", {"tumour": 1}, "mr")
    assert [case.case for case in listing.cases] == ["BRATS_001"]
    assert layout.load_image(listing.cases[0], "mr").array.shape == (2, *SHAPE)


def test_pairs_match_equal_names_or_a_channel_suffix(tmp_path: Path) -> None:
    write_pair(tmp_path, "a_2019")
    write_volume(tmp_path / "images/b_0000.nii.gz", volume())
    write_volume(tmp_path / "labels/b.nii", reference(1))
    name, listing = listed(tmp_path)
    assert (name, [case.case for case in listing.cases]) == ("pairs", ["a_2019", "b"])


def test_one_case_name_twice_leaves_the_later_out(tmp_path: Path) -> None:
    square = np.zeros((4, 4), np.uint8)
    write_picture(tmp_path / "images/a.jpg", square)
    write_picture(tmp_path / "images/a.png", square)
    write_picture(tmp_path / "images/b c.png", square)
    write_picture(tmp_path / "images/b_c.png", square)
    for name in ("a", "b c", "b_c"):
        write_picture(tmp_path / f"masks/{name}.png", square)
    _, listing = listed(tmp_path)
    assert [case.case for case in listing.cases] == ["a", "b_c"]
    assert codes(listing) == dict.fromkeys(("images/a.png", "images/b_c.png", "masks/b_c.png"), "duplicate-case")


def test_labels_beside_masks_is_ambiguous(tmp_path: Path) -> None:
    write_pair(tmp_path)
    write_volume(tmp_path / "masks/a.nii.gz", reference(1))
    with pytest.raises(DataError, match="both labels/ and masks/"):
        listed(tmp_path)


def test_dicom_patients_get_numbers_and_leave_no_identity(tmp_path: Path) -> None:
    from medseg.data.sample import write_sample

    write_sample(tmp_path, patients=2)
    write_series(tmp_path / "without", series_datasets())
    (tmp_path / "without/report.dcm").write_text("no DICOM")
    name, listing = listed(tmp_path)
    assert name == "dicom-seg"
    assert [(case.case, case.patient) for case in listing.cases] == [
        ("patient-001-1", "patient-001"),
        ("patient-002-1", "patient-002"),
    ]
    assert set(codes(listing).values()) == {"reference-missing", "unreadable-dicom"}
    assert not any("MRN" in rejection.reason for rejection in listing.rejected)


def test_a_slice_without_place_leaves_its_whole_series_out(tmp_path: Path) -> None:
    from medseg.data.dicom import read_header
    from medseg.data.sample import write_sample

    write_sample(tmp_path, patients=2)
    last = tmp_path / "patient-01/ct/slice-028.dcm"
    dataset = read_header(last, pixels=True)
    del dataset.ImagePositionPatient
    dataset.save_as(last)
    _, listing = listed(tmp_path)
    assert len(listing.cases) == 1
    assert len(listing.rejected) == 28 + 1
    assert codes(listing).pop("patient-01/ct/slice-028.dcm") == "missing-position"
    assert codes(listing)["patient-01/organs.dcm"] == "case-rejected"


def test_unknown_and_wrong_layouts_name_the_choices(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"no known layout; it holds notes\.txt[\s\S]*nnunet[\s\S]*dicom-seg"):
        listed(tmp_path)
    write_pair(tmp_path)
    with pytest.raises(DataError, match="not the layout 'nnunet'"):
        listed(tmp_path, "nnunet")


def test_missing_and_empty_sources_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        Source.of_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no file"):
        Source.of_folder(tmp_path)


def test_linked_folders_are_followed_once_and_broken_links_seen(tmp_path: Path) -> None:
    write_pair(tmp_path / "real")
    (tmp_path / "real/loop").symlink_to(tmp_path / "real")
    (tmp_path / "real/broken").symlink_to(tmp_path / "nowhere")
    source = Source.of_folder(tmp_path / "real")
    assert source.files == ("images/a.nii.gz", "labels/a.nii.gz")
    assert source.others == ("broken",)


def test_cases_csv_gives_patients_and_splits(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_pair(tmp_path, name)
    (tmp_path / "cases.csv").write_text("case,split,finding,patient\na,val,x,p1\nb,TEST,y,p1\nzzz,,,\n")
    _, listing = listed(tmp_path)
    found = [(case.case, case.patient, case.split) for case in listing.cases]
    assert found == [("a", "p1", "validation"), ("b", "p1", "test"), ("c", "c", "")]
    assert "zzz" in listing.warnings[0]
    assert listing.metadata == ["cases.csv"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("case,split\na,holdout\n", r"cases\.csv, line 2: split is 'holdout'; choose train, validation, test"),
        ("case\na\na\n", "line 3: case 'a' is listed twice"),
        ("name\na\n", "needs a column 'case'"),
    ],
)
def test_faults_in_cases_csv_name_file_line_and_choices(tmp_path: Path, table: str, said: str) -> None:
    write_pair(tmp_path)
    (tmp_path / "cases.csv").write_text(table)
    with pytest.raises(DataError, match=said):
        listed(tmp_path)
