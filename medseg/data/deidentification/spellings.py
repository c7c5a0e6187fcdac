"""How an identifying string may be spelled in texts and bytes, and which strings tell too little to be searched for."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache, lru_cache
from urllib.parse import quote

from pydicom.datadict import keyword_dict

# Scripts that write without blanks: each sign is a word, so that a name is found within a sentence.
UNSPACED = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
# A decimal number is one word: the digits of 0.33333 are no record number.
WORD = re.compile(rf"(?<![^\W_])(?<!\.)\d{{1,4}}\.\d+(?![\w.])|[{UNSPACED}]|[^\W_{UNSPACED}]+")
SIGN = re.compile(f"[{UNSPACED}]")
UID = re.compile(r"\d+(\.\d+){4,}")

# ä is written ae where keyboards lack it, and such an ae is written a where accents are dropped; ø, å and ß likewise
TRANSLITERATED = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa", "æ": "ae", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"}
    | {"Ø": "Oe", "Å": "Aa", "Æ": "Ae"}
)
UNDONE = (("ae", "a"), ("oe", "o"), ("ue", "u"), ("aa", "a"))

SHORTEST = 3
SHORTEST_SIGNS = 2
SHORTEST_NUMBER = 6
SHORTEST_IN_BYTES = 6

# Placeholders of those who de-identified before, and what institutions and makers of scanners are called.
GENERIC = """
anon anonym anonymous anonymized anonymised anonymisiert removed deleted empty blank none null nil unknown unbekannt
undefined unspecified withheld confidential notavailable notspecified noname patient hospital case train tests demo
phantom research study doctor default localhost
agfa canon carestream esaote fuji fujifilm ge healthcare healthineers hitachi hologic kodak medical mindray philips
samsung shimadzu siemens systems toshiba center centre clinic department imaging klinik klinikum radiology radiologie
university
"""
# Words of the ingest's own files; names that consist of them would be found in every data set.
OWN = """
annex application background basic case cases channel class classes clean confidentiality count data dataset dcm dicom
dimensions emptied facts file files foreground gray green image images ingest keep kept label labels layout mask masks
med medseg mixed modality mri name names nifti none normal numtraining options other patient pixel prediction primary
profile ps3 ps3.15 reason red blue reference references rejected remapped replaced retain rgb schema secondary
segmentation shifted split task test training ultrasound validation version warnings xray
"""


@cache
def vocabulary() -> frozenset[str]:
    """Words that name nobody, those of DICOM's own attribute names included, such as Head, Max or Test."""
    return frozenset((GENERIC + OWN).split()) | {
        word.lower() for word in re.findall("[A-Z][a-z]+", " ".join(keyword_dict))
    }


def fold(text: str) -> str:
    """The text without case and accents: as a file name or a careless export spells it."""
    if text.isascii():
        return text.lower()
    split = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(sign for sign in split if unicodedata.category(sign) != "Mn"))


def words(text: str) -> list[str]:
    """The folded words of a text; blanks, carets, underscores and all other punctuation part them."""
    return WORD.findall(fold(text))


@lru_cache(maxsize=1_000)
def searchable(value: str) -> bool:
    """Whether a string tells enough to be searched for without finding it everywhere.

    Left out are: under 3 letters and digits (2 signs of a script without blanks); numbers of fewer than 6 digits;
    one sign repeated; UIDs, which are remapped; a single word of ``vocabulary``.
    """
    plain = "".join(words(value))
    if len(set(plain)) < 2 or plain in vocabulary() or UID.fullmatch(value.strip()):
        return False
    if all(sign.isdigit() or sign == "." for sign in plain):
        return len(plain) >= SHORTEST_NUMBER
    return len(plain) >= SHORTEST or len(SIGN.findall(plain)) >= SHORTEST_SIGNS


@lru_cache(maxsize=1_000)
def forms(value: str) -> frozenset[str]:
    """A string as folded words, apart and run together: how ``Müller^Jörg`` is recognised in Mueller-free file names.

    Empty where the string is not ``searchable``.
    """
    if not searchable(value):
        return frozenset()
    spelled = {value, value.translate(TRANSLITERATED), *(value.lower().replace(*pair) for pair in UNDONE)}
    found = [words(text) for text in spelled]
    return frozenset(form for parts in found for form in (" ".join(parts), "".join(parts)))


def key_word(form: str) -> str:
    """The longest word of a form: the one that the fewest other forms share."""
    return max(form.split(" "), key=len)


ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")
# Python's names of the DICOM character sets (PS3.3 C.12.1.1.2), for strings that are not ASCII.
CHARACTER_SETS = (
    "latin-1", "iso8859-2", "iso8859-3", "iso8859-4", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-9",
    "iso8859-15", "shift_jis", "iso2022_jp", "iso2022_jp_2", "euc_jp", "euc_kr", "iso2022_kr", "gb18030", "tis_620",
    "cp1252",
)  # fmt: skip


@lru_cache(maxsize=100)
def needles(value: str) -> frozenset[bytes]:
    """The bytes a string may be written as, ASCII letters in lower case; none where it is too short for binary data.

    In all character sets of DICOM, UTF-8 and UTF-16, as JSON, percent and HTML escapes, and, if it has DICOM's carets,
    with blanks, underscores or nothing in their place. At least 6 characters, or 6 bytes in scripts without blanks:
    shorter ones turn up in any image by chance.
    """
    value = value.strip(" ^\0")
    if not searchable(value) or (len(value) < SHORTEST_IN_BYTES and not SIGN.search(value)):
        return frozenset()
    spellings = {value.replace("^", separator) for separator in "^ _"} | {value.replace("^", "")}
    if not value.isascii():
        spellings |= {changed for text in spellings for changed in (text.lower(), text.upper())}
        spellings |= {unicodedata.normalize("NFD", text) for text in spellings}
    written = (needle for text in spellings for needle in _written(text))
    return frozenset(needle.lower() for needle in written if len(needle) >= SHORTEST_IN_BYTES)


def _written(text: str) -> set[bytes]:
    encodings = ENCODINGS if text.isascii() else (*ENCODINGS, *CHARACTER_SETS)
    found = {json.dumps(text)[1:-1].encode(), quote(text, safe="").encode(), text.encode("ascii", "xmlcharrefreplace")}
    for encoding in encodings:
        try:
            found.add(text.encode(encoding))
        except UnicodeError:
            continue
    return found
