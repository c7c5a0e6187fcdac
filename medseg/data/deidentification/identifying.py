"""Which values of a DICOM data set tell who the patient is: what is searched for in all that is written."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Literal

from pydicom import Dataset
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.tag import BaseTag
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

from medseg.data.deidentification.profile import ACTIONS, BIRTH
from medseg.data.deidentification.spellings import searchable, vocabulary, words

Kind = Literal["name", "birth", "date", "identifier", "text", "private", "sequence", "nothing"]

CHARACTER_SET = 0x00080005
TEXT_VRS = frozenset({"AE", "LO", "LT", "SH", "ST", "UC", "UR", "UT"})
LONGEST = 64  # characters of a value that is searched for whole; longer texts are searched for their telling pieces
LONGEST_TEXT = 10_240  # bytes of a value that are looked at: what LT may hold; more is no text, or damage
LONGEST_NAME = 1024  # bytes of a value that is taken as names or dates, of which there may be several
SHORTEST_MIXED = 6  # characters of a part of a name that holds more than letters, such as CT1
DEPTH = 16  # of nested sequences

# Attributes of the profile's table whose whole value tells who or where, by their names in the dictionary.
IDENTIFIER = re.compile(
    r"(ID|IDs|Identifier|Identification|Number|Numbers|NumberImagingServiceRequest|Locator|Author|Originator)$"
    r"|Address|Tele|Institution(Name|$)|InstitutionResidence|Organization$|Physician|Interpret(er|ID)"
    r"|PatientLocation|^(Patient|Identifying|Visit)Comments|SiteName|OwnerName|OrderEntererLocation"
)
# These say which machine, study plan or organ, in words that other data sets use for what does not identify.
TECHNICAL = re.compile(r"Detector|Plate|Gantry|Cassette|Generator|Source|Slot|Capture|Network|Modifying|ProtocolID|^RT")
PERSON = re.compile(r"[^\W\d_]{2,}\^[^\W\d_][\w^ .=-]*")
MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
PIECE = re.compile(r"[^\s,;:=\\/|()\[\]{}<>\"'&]+")
NUMBER = re.compile(
    r"\d{8,14}(\.\d+)?([-+]\d{4})?|[-+]?\d*\.\d+(e[-+]?\d+)?|[-+]?\d+(e[-+]?\d+)?|[\d.]+", re.IGNORECASE
)
PRINTABLE = re.compile(rb"[\t\n\r\f\x1b\x20-\x7e\x80-\xff]*\0*")
PRINTABLE_RUN = re.compile(rb"[\x1b\x20-\x7e\x80-\xff]{5,}")
EARLIEST_YEAR, LATEST_YEAR = 1850, 2150


def identifying_values(dataset: Dataset) -> set[str]:
    """Every string of a data set that may identify, nested, private and file meta ones included, decoded.

    Names whole, turned round and by their parts; identifiers, addresses, phones, institutions and physicians whole;
    dates of birth in the usual orders and other dates as DICOM writes them; of comments, descriptions and private
    texts the pieces that look like a name, an e-mail address or a record number (5 digits or more). Bytes that are not
    ASCII are also read as UTF-8, since a declared character set is often wrong. Left out is what ``searchable`` leaves
    out. Values are decoded only when their bytes were not seen before, so it costs little for the slices of a series.
    """
    found: set[str] = set()
    meta = getattr(dataset, "file_meta", None)
    for part in (dataset, meta):
        if part is not None:
            _collect(part, "", found, DEPTH)
    return found


def _collect(dataset: Dataset, inherited: str, found: set[str], depth: int) -> None:
    charset = _declared(dataset, inherited)
    for element in list(dataset.values()):
        tag, vr = int(element.tag), element.VR or ""
        kind = _kind(tag, vr)
        if kind == "nothing":
            continue
        if kind == "sequence" or vr == "SQ":
            if depth:
                for item in _items(dataset, element.tag):
                    _collect(item, charset, found, depth - 1)
        elif isinstance(element.value, bytes):
            found.update(_strings(kind, element.value[:LONGEST_TEXT], charset))
        elif isinstance(element, DataElement):
            text = "\\".join(_texts(element.value))[:LONGEST_TEXT]
            if not _damaged(kind, len(text)):
                found.update(*(_telling(kind, value) for value in text.split("\\")))


def _declared(dataset: Dataset, inherited: str) -> str:
    """The character sets of a data set, as its attribute spells them or, in a part of one, as it was read."""
    try:
        element = dataset.get_item(CHARACTER_SET) if CHARACTER_SET in dataset else None
    except Exception:  # a damaged element: pydicom lets whatever it meets through
        return inherited
    value: Any = element.value if element is not None else inherited or dataset.original_character_set
    return value.decode("ascii", "replace") if isinstance(value, bytes) else "\\".join(_texts(value))


def _items(dataset: Dataset, tag: BaseTag) -> Sequence[Dataset]:
    try:
        value = dataset[tag].value
    except Exception:  # a damaged sequence: pydicom lets whatever it meets through
        return ()
    return [item for item in value if isinstance(item, Dataset)] if isinstance(value, Sequence) else ()


def _texts(value: Any) -> list[str]:
    many = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return [str(one) for one in many if one is not None]


@lru_cache(maxsize=65_536)
def _kind(tag: int, vr: str) -> Kind:
    """How the values of an attribute identify."""
    group, element = tag >> 16, tag & 0xFFFF
    known = group % 2 == 0 and dictionary_has_tag(tag)
    vr = dictionary_VR(tag) if known and vr in ("", "UN") else vr
    if vr == "SQ":
        return "sequence"
    if vr == "PN":
        return "name"
    if tag in BIRTH and vr == "DA":
        return "birth"
    if vr in ("DA", "DT") and (tag in ACTIONS or group % 2):
        return "date"
    if group % 2:
        return "private" if element > 0xFF and (vr in TEXT_VRS or vr in ("", "UN", "OB")) else "nothing"
    if not known:
        return "text" if vr in TEXT_VRS or vr in ("", "UN") else "nothing"
    if vr not in TEXT_VRS or (tag not in ACTIONS and not 0x5000 <= group < 0x6100 and vr != "AE"):
        return "nothing"
    keyword = keyword_for_tag(BaseTag(tag))
    return "identifier" if IDENTIFIER.search(keyword) and not TECHNICAL.search(keyword) else "text"


@lru_cache(maxsize=512)
def _strings(kind: Kind, raw: bytes, charset: str) -> frozenset[str]:
    """What identifies in the bytes of one attribute."""
    if kind in ("private", "text") and not PRINTABLE.fullmatch(raw):
        raw = b"\n".join(PRINTABLE_RUN.findall(raw))
    if _damaged(kind, len(raw)):
        return frozenset()
    return frozenset().union(*(_telling(kind, value) for value in _decoded(raw, charset, kind)))


def _damaged(kind: Kind, length: int) -> bool:
    """Pixels that a damaged header passes off as names would be thousands of identities."""
    return kind in ("name", "birth", "date") and length > LONGEST_NAME


def _decoded(raw: bytes, charset: str, kind: Kind | str) -> list[str]:
    """The single values of an attribute, as declared and, where they are not ASCII, as UTF-8 or Latin-1."""
    raw = raw.rstrip(b"\0 ")
    texts = [_as_declared(raw, charset, kind)]
    if not raw.isascii():
        try:
            texts.append(raw.decode("utf-8"))
        except UnicodeDecodeError:
            texts.append(raw.decode("latin-1"))
    return [value for text in dict.fromkeys(texts) for value in text.split("\\")]


def _as_declared(raw: bytes, charset: str, kind: Kind | str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            encodings = convert_encodings(charset.split("\\"))
            return decode_bytes(raw, encodings, PN_DELIMS if kind == "name" else TEXT_VR_DELIMS)
        except (LookupError, UnicodeError, ValueError):
            return raw.decode("latin-1")


@lru_cache(maxsize=512)
def _telling(kind: Kind, value: str) -> frozenset[str]:
    """What of one value is searched for."""
    return frozenset(text for text in _spellings(kind, value.strip(" \0\t\r\n")) if searchable(text))


def _spellings(kind: Kind, value: str) -> Iterator[str]:
    if kind == "name":
        yield from _name(value)
    elif kind in ("birth", "date"):
        yield from _dates(value, birth=kind == "birth")
    else:
        if kind == "identifier" and len(value) <= LONGEST and not vocabulary().issuperset(words(value)):
            yield value
        yield from _pieces(value, digits_tell=kind != "private")


def _name(value: str) -> Iterator[str]:
    """A person's name: each of its groups whole, given name first, and by its parts."""
    for group in value.split("="):
        parts = [part.strip() for part in group.split("^")]
        yield group.strip(" ^")
        yield " ".join(part for part in (*parts[1:2], parts[0]) if part)
        single = (word for part in parts[:3] for word in (part, *part.replace("-", " ").split()))
        yield from (word for word in single if word.isalpha() or len(word) >= SHORTEST_MIXED)


def _dates(value: str, birth: bool) -> Iterator[str]:
    """A date as DICOM writes it; that of birth also as people do.

    Dates of examinations are not spelt otherwise: an ingest's own time stamps must not look like one.
    """
    digits = value.replace(".", "")[:8]
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        return
    year, month, day = digits[:4], digits[4:6], digits[6:]
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return
    if EARLIEST_YEAR <= int(year) <= LATEST_YEAR and digits != "19000101":
        yield digits
        if birth:
            yield from (f"{year}-{month}-{day}", f"{day}.{month}.{year}", f"{month}/{day}/{year}")


def _pieces(text: str, digits_tell: bool) -> Iterator[str]:
    """What looks like a person's name in DICOM's form, an e-mail address or a record number."""
    for match in PERSON.finditer(text):
        yield from _name(match.group())
    yield from MAIL.findall(text)
    for piece in PIECE.findall(text):
        piece = piece.strip(".-_*#+")
        if sum(sign.isdigit() for sign in piece) < 5 or len(piece) > LONGEST:
            continue
        if not NUMBER.fullmatch(piece) or (digits_tell and piece.isdigit()):
            yield piece
