"""Every file of a source has one fate."""

from __future__ import annotations

from pathlib import Path

import pytest

from medseg.data.layouts.listing import Rejection, SourceCase
from medseg.data.ledger import Ledger
from medseg.data.source import Source
from medseg.errors import RejectedFileError

CASE = SourceCase("a", "a", "", ("images/a.nii", "images/a2.nii"), ("labels/a.nii",))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def fates(ledger: Ledger) -> dict[str, str]:
    return {row.path: row.code for row in ledger.rejected()}


def test_the_file_at_fault_has_the_code_and_the_others_of_its_case_say_so(ledger: Ledger) -> None:
    ledger.reject_case(CASE, RejectedFileError("truncated", "too short"), "labels/a.nii")
    assert fates(ledger) == {
        "images/a.nii": "case-rejected",
        "images/a2.nii": "case-rejected",
        "labels/a.nii": "truncated",
    }


def test_a_fault_of_all_images_together_is_told_of_each(ledger: Ledger) -> None:
    ledger.reject_case(CASE, RejectedFileError("slice-gap", "a gap"), None)
    assert fates(ledger)["images/a.nii"] == fates(ledger)["images/a2.nii"] == "slice-gap"


def test_the_first_reason_stays_and_a_reason_beats_acceptance(ledger: Ledger) -> None:
    ledger.accept(["x"])
    ledger.reject([Rejection("x", "first", "1"), Rejection("x", "second", "2")])
    ledger.accept(["x"])
    assert fates(ledger) == {"x": "first"}
    assert ledger.by_code() == {"first": 1}


def test_a_table_that_many_cases_share_stays_when_one_of_them_is_left_out(ledger: Ledger) -> None:
    ledger.keep(["train.csv"])
    case = SourceCase("a", "a", "", ("images/a.png",), ("train.csv",))
    ledger.reject_case(case, RejectedFileError("truncated", "too short"), "images/a.png")
    assert fates(ledger) == {"images/a.png": "truncated"}


def test_what_nobody_asked_for_is_left_out_at_the_close(ledger: Ledger, tmp_path: Path) -> None:
    root = tmp_path / "source"
    root.mkdir()
    for name in ("used", "unused"):
        (root / name).touch()
    (root / "broken").symlink_to(root / "nowhere")
    ledger.accept(["used"])
    ledger.close(Source(root))
    assert fates(ledger) == {"broken": "not-a-file", "unused": "not-part-of-layout"}
    assert ledger.seen == 3


def test_the_table_is_redacted_and_takes_any_name(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", lambda name: name.replace("Doe", "[removed]"))
    ledger.reject([Rejection("Doe/\udce9,\r1.dcm", "truncated", "Doe's file is short")])
    ledger.write_csv(tmp_path / "rejected.csv", lambda text: text.replace("Doe", "[removed]"))
    assert (tmp_path / "rejected.csv").read_text() == (
        'path,code,reason\n"[removed]/\\xe9,\\r1.dcm",truncated,[removed]\'s file is short\n'
    )
