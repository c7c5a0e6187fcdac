"""Keys of pseudonyms come from where the recipe says, and equal keys give equal pseudonyms."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from medseg.config import DeidentifyConfig
from medseg.data.deidentification.pseudonyms import Pseudonyms, load_key
from medseg.errors import RecipeError

KEY = b"0123456789abcdef"
NOTHING_NAMED = DeidentifyConfig()


@pytest.fixture(autouse=True)
def _one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDSEG_PSEUDONYM_KEY", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


def test_the_same_key_gives_the_same_pseudonyms_in_another_process():
    code = (
        "from medseg.data.deidentification.pseudonyms import Pseudonyms\n"
        f"p = Pseudonyms({KEY!r})\n"
        "print(p.patient('Müller'), p.uid('1.2.3'), p.days('Müller'))"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    here = Pseudonyms(KEY)
    assert there == [here.patient("Müller"), here.uid("1.2.3"), str(here.days("Müller"))]


def test_another_key_gives_other_pseudonyms():
    one, other = Pseudonyms(KEY), Pseudonyms(KEY[::-1])
    assert one.patient("MRN-1") != other.patient("MRN-1")
    assert one.uid("1.2.3") != other.uid("1.2.3")
    assert [one.days(f"MRN-{number}") for number in range(9)] != [other.days(f"MRN-{number}") for number in range(9)]


def test_pseudonyms_travel_to_other_processes():
    assert pickle.loads(pickle.dumps(Pseudonyms(KEY))).patient("MRN-1") == Pseudonyms(KEY).patient("MRN-1")


def test_padding_makes_no_other_patient_and_no_other_uid():
    pseudonyms = Pseudonyms(KEY)
    assert pseudonyms.patient("MRN-1 ") == pseudonyms.patient("MRN-1")
    assert pseudonyms.uid("1.2.3\0") == pseudonyms.uid("1.2.3")


@given(st.text())
def test_uids_are_valid_and_dates_move_into_the_past(identity: str):
    pseudonyms = Pseudonyms(KEY)
    assert UID(pseudonyms.uid(identity)).is_valid
    assert -3650 <= pseudonyms.days(identity) <= -365


def test_the_key_comes_from_the_named_variable_or_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOSPITAL_KEY", KEY.decode())
    (tmp_path / "key").write_bytes(KEY + b"\n")
    assert load_key(DeidentifyConfig(key="env:HOSPITAL_KEY"), tmp_path) == KEY
    assert load_key(DeidentifyConfig(key=f"file:{tmp_path}/key"), tmp_path) == KEY


def test_without_a_named_key_the_usual_variable_goes_before_the_key_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "pseudonym.key").write_bytes(KEY[::-1])
    assert load_key(NOTHING_NAMED, tmp_path) == KEY[::-1]
    monkeypatch.setenv("MEDSEG_PSEUDONYM_KEY", KEY.decode())
    assert load_key(NOTHING_NAMED, tmp_path) == KEY


@pytest.mark.parametrize("content", [b"", b"\n\n", b"short"])
def test_empty_and_short_keys_are_refused(content: bytes, tmp_path: Path):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(RecipeError, match="at least 16"):
        load_key(DeidentifyConfig(key=f"file:{tmp_path}/key"), tmp_path)


@pytest.mark.parametrize("key", ["env:NO_SUCH_VARIABLE", "file:/no/such/file"])
def test_a_named_key_that_is_missing_is_never_made_up(key: str, tmp_path: Path):
    with pytest.raises(RecipeError, match=r"dataset\.deidentify\.key"):
        load_key(DeidentifyConfig(key=key), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_is_made_once_for_its_owner_only_and_its_place_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    key = load_key(NOTHING_NAMED, tmp_path / "new")
    path = tmp_path / "new" / "pseudonym.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(path) in caplog.text
    assert key.decode() not in caplog.text
    assert load_key(NOTHING_NAMED, tmp_path / "new") == key
    assert [entry.name for entry in path.parent.iterdir()] == ["pseudonym.key"]


def test_many_that_start_together_get_one_key(tmp_path: Path):
    with ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(lambda _: load_key(NOTHING_NAMED, tmp_path), range(64)))
    assert len(set(keys)) == 1


def test_a_cluster_refuses_a_key_of_its_own_making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(RecipeError, match=r"dataset\.deidentify\.key.*secret"):
        load_key(NOTHING_NAMED, tmp_path)
    assert list(tmp_path.iterdir()) == []
