"""Identities are found however they are written, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.data.deidentification.identities import Identities, find_in
from medseg.data.deidentification.pseudonyms import Pseudonyms
from medseg.data.deidentification.search import CHUNK
from medseg.data.deidentification.spellings import searchable

NAME = "Müller^Jörg"
KEYED = Pseudonyms(b"k" * 16)
Find = Callable[[bytes, bool], list[str]]


@pytest.fixture(params=["one case", "whole ingest"])
def finder(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Find]:
    """Both ways of searching; they must agree."""

    def make(*values: str) -> Find:
        if request.param == "one case":
            return lambda data, text: find_in(data, values, text)
        identities = Identities(tmp_path / "identities.sqlite", KEYED)
        identities.add(values)
        return lambda data, text: identities.find(data) if text else find_in(data, values, False)

    return make


@pytest.mark.parametrize(
    "text",
    [
        "Müller^Jörg", "müller jörg", "MÜLLER_JÖRG", "Muller-Jorg", "a/MüllerJörg/b.nii.gz", "Mu\u0308ller, Jo\u0308rg",
        json.dumps("Müller^Jörg"), json.dumps(json.dumps({"x": "Müller^Jörg"})), quote("Müller^Jörg"),
        html.escape("<b>Müller^Jörg</b>"), "M&uuml;ller&nbsp;J&#246;rg",
        '{"path": "x\\nMüller Jörg"}', '"x\\nMüller Jörg"',
    ],
)  # fmt: skip
def test_a_name_is_found_in_texts_in_every_spelling(text: str, finder: Callable[..., Find]):
    assert finder(NAME)(f"first line\n{text}\n".encode(), True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be"])
def test_texts_may_be_in_any_usual_encoding(encoding: str, finder: Callable[..., Find]):
    assert finder(NAME)(f"case,name\n7,{NAME}\n".encode(encoding), True)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Müller^Jörg", "utf-8"), ("Müller^Jörg", "latin-1"), ("Müller^Jörg", "utf-16-le"),
        ("Müller^Jörg", "utf-16-be"),
        ("山田^太郎", "iso2022_jp"), ("山田^太郎", "shift_jis"), ("王^小东", "gb18030"), ("김^희중", "euc_kr"),
        ("Люкceмбypг", "iso8859-5"), ("Διονυσιος", "iso8859-7"),
    ],
)  # fmt: skip
def test_binary_data_is_searched_in_every_character_set(name: str, encoding: str, finder: Callable[..., Find]):
    data = random.Random(0).randbytes(1000)
    assert finder(name)(data, False) == []
    place = finder(name)(data + name.encode(encoding) + data, False)
    assert place == ["byte 1000"]


@pytest.mark.parametrize("written", ["MRN-0099123", "mrn-0099123", "xxMRN-0099123yy"])
def test_in_binary_data_a_match_may_be_part_of_a_longer_word(written: str, finder: Callable[..., Find]):
    assert finder("MRN-0099123")(b"\1\2" + written.encode() + b"\3", False)


def test_short_identities_are_not_searched_for_in_binary_data(finder: Callable[..., Find]):
    assert finder("Roe^J")(b"\0\1Roe^J\2", False) == []
    assert finder("Roe^J")(b"\n Roe^J,", True)


@pytest.mark.parametrize(
    "text", ["a19610203b", "0.19610203", "x = 3.19610203", hashlib.sha256(b"x").hexdigest() + "19610203", "119610203"]
)
def test_a_date_is_not_found_within_longer_words_and_decimal_numbers(text: str, finder: Callable[..., Find]):
    assert finder("19610203")(f"a {text} b".encode(), True) == []


@pytest.mark.parametrize("text", ["19610203", "x_19610203.nii", "/19610203/", "born:19610203;", '["19610203"]'])
def test_a_date_is_found_as_a_word(text: str, finder: Callable[..., Find]):
    assert finder("19610203")(text.encode(), True)


def test_numbers_of_a_json_document_are_no_record_numbers(finder: Callable[..., Find]):
    assert finder("1234567")(b'{"voxels": 1234567, "sizes": [1234567]}', True) == []
    assert finder("1234567")(b'{"voxels": "1234567"}', True)
    assert finder("1234567")(b'{"1234567": 1}', True)


def test_pictures_in_html_are_searched_as_binary_data():
    def page(picture: bytes) -> bytes:
        return b'<img src="data:image/png;base64,' + base64.b64encode(picture) + b'">'

    values = ("MRN-0099123", "Roe")
    assert find_in(page(random.Random(0).randbytes(200_000)), values, True) == []
    assert find_in(page(b"\x89PNG tEXt MRN-0099123 "), values, True)


def test_the_answer_repeats_no_identity(finder: Callable[..., Find]):
    assert "Müller" not in "".join(finder(NAME)(NAME.encode(), True) + finder(NAME)(NAME.encode(), False))


def test_words_across_the_parts_of_a_long_text_are_found_and_none_is_cut(finder: Callable[..., Find]):
    part = CHUNK
    find = finder(NAME, "19610203")
    assert find(b"." * (part - 4) + NAME.encode() + b"." * part, True)
    assert find(b"x" * (part - 8) + b"19610203x" + b"x" * part, True) == []
    assert find(b"x" * part + b"19610203" + b"x" * part, True) == []


@pytest.mark.parametrize(
    "value", ["", "AB", "0000000", "XXXXX", "12345", "ANONYMOUS", "unknown", "Head", "1.2.840.113619.2.5", "王", "^^^"]
)
def test_strings_that_tell_too_little_are_left_out(value: str, finder: Callable[..., Find]):
    assert not searchable(value)
    assert finder(value)(f"{{{value}}}".encode(), True) == []


@pytest.mark.parametrize("value", ["Roe", "王东", "123456", "A-12", "Head^Max", "555-0100"])
def test_strings_that_tell_enough_are_searched_for(value: str, finder: Callable[..., Find]):
    assert finder(value)(f"<{value}>".encode(), True)


@given(st.text(st.characters(categories=["L", "N", "P", "Z", "S"]), min_size=1, max_size=20))
def test_whatever_is_searched_for_is_found_as_it_is(value: str):
    if searchable(value):
        assert find_in(json.dumps({"x": [value]}).encode(), [value], text=True)
        assert find_in(f"x, {value} ,y".encode(), [value], text=True)


@pytest.mark.parametrize(
    ("path", "redacted"),
    [
        ("MUELLER^HANS/2020/IM-0001.dcm", "[removed]/2020/IM-0001.dcm"),
        ("Mueller_Hans/IM1.dcm", "[removed]/IM1.dcm"),
        ("HansMuellerCT/IM1.dcm", "[removed][removed]CT/IM1.dcm"),
        ("MRN0099123_CT/1.dcm", "[removed]_CT/1.dcm"),
        ("CT20200119a/1.dcm", "CT[removed]a/1.dcm"),
        ("Jo\u0308rg/1.dcm", "[removed]/1.dcm"),
        ("other/IM-0001.dcm", "other/IM-0001.dcm"),
    ],
)
def test_path_names_lose_their_identities(path: str, redacted: str, tmp_path: Path):
    identities = Identities(tmp_path / "identities.sqlite", KEYED)
    identities.add(["MUELLER^HANS", "MUELLER", "HANS", "MRN-0099123", "20200119", "Jörg"])
    assert identities.redact(path) == redacted


def test_the_file_is_for_its_owner_only_and_outlives_a_process(tmp_path: Path):
    path = tmp_path / "scratch" / "identities.sqlite"
    identities = Identities(path, KEYED)
    identities.add([NAME])
    assert path.stat().st_mode & 0o777 == 0o600
    assert pickle.loads(pickle.dumps(identities)).find(NAME.encode())
    identities.close()
    assert b"ller" not in path.read_bytes()
    assert identities.find(NAME.encode())


def test_identities_added_after_a_search_are_found_too(tmp_path: Path):
    identities = Identities(tmp_path / "identities.sqlite", KEYED)
    for value in ("MRN-0099123", "MRN-0099124"):
        assert identities.find(value.encode()) == []
        identities.add([value])
        assert identities.find(value.encode())
