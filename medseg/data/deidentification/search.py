"""The search for identities in texts, bytes and path names."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from base64 import b64decode
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from urllib.parse import unquote

from medseg.data.deidentification.spellings import WORD, fold, words

REMOVED = "[removed]"
CHUNK = 1 << 18
OVERLAP = 4096
DATA_URI = re.compile(r"data:[\w/+.;=-]*;base64,([A-Za-z0-9+/=]+)")
ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})|\\+[nrtbf\"/]?")  # also of JSON within JSON

Lookup = Callable[[Sequence[str]], Iterable[str]]  # words in their order to forms that may stand in them


def find_in_text(data: bytes, lookup: Lookup, within: Callable[[bytes], list[str]]) -> list[str]:
    found: list[str] = []
    text = _decoded(data)
    if text is None:  # neither UTF-8 nor UTF-16: whatever it is, it may still hold the bytes of an identity
        found += within(data)
        text = data.decode("latin-1")
    pictures = DATA_URI.findall(text)
    for picture in pictures:
        found += [f"{place} of a picture" for place in within(b64decode(picture[: len(picture) // 4 * 4]))]
    text = DATA_URI.sub(" ", text) if pictures else text
    text = unicodedata.normalize("NFC", _strings_of_json(text) or text)
    for view in dict.fromkeys((text, _unescaped(text))):
        for start, part in _chunks(view):
            folded = words(part)
            line = f" {' '.join(folded)} "
            hits = [form for form in lookup(folded) if f" {form} " in line]
            places = [place for place, _ in _places(part, hits)]
            found += [f"character {start + place}" for place in places or [0] * bool(hits)]
    return list(dict.fromkeys(found))


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """Overlapping parts of a text and where they start; no word is cut in two."""
    for first in range(0, len(text), CHUNK):
        start, end = first, first + CHUNK + OVERLAP
        while 0 < start < len(text) and text[start - 1].isalnum():
            start += 1
        while end < len(text) and text[end].isalnum():
            end += 1
        yield start, text[start:end]


def _decoded(data: bytes) -> str | None:
    encodings = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",)
    if b"\0" in data[:1000] and encodings == ("utf-8-sig",):
        encodings = ("utf-16-le",) if data[1:2] == b"\0" else ("utf-16-be",)
    try:
        return data.decode(encodings[0])
    except UnicodeDecodeError:
        return None


def _strings_of_json(text: str) -> str:
    """Keys and strings of a JSON document, one per line: its numbers are no text. Empty where it is none."""
    if text.lstrip()[:1] not in ("{", "["):
        return ""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    found: list[str] = []
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            pending += value
    return "\n".join(found) + "\n"


def _unescaped(text: str) -> str:
    """The text without the escapes of JSON, URLs and HTML, as far as it has any."""
    if "\\" in text:
        text = ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else " ", text)
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "%" in text:
        text = unquote(text)
    return html.unescape(text) if "&" in text else text


def _places(text: str, found: Collection[str], word: re.Pattern[str] = WORD) -> list[tuple[int, int]]:
    """First and last-plus-one character of every occurrence of the forms."""
    if not found:
        return []
    spans = [match.span() for match in word.finditer(text)]
    line = f" {' '.join(fold(text[start:end]) for start, end in spans)} "
    places = []
    for form in found:
        at = line.find(f" {form} ")
        while at >= 0:
            first = line.count(" ", 0, at)
            places.append((spans[first][0], spans[first + form.count(" ")][1]))
            at = line.find(f" {form} ", at + 1)
    return sorted(places)


# Within path names, letters and digits are parted from each other, and words where a capital begins one.
PATH_WORD = re.compile(r"\d+|[^\W\d_a-z]?[^\W\d_A-Z]+|[^\W\d_a-z]+(?![a-z])")


def redacted(text: str, lookup: Lookup) -> str:
    text = unicodedata.normalize("NFC", text)
    for word in (WORD, PATH_WORD):
        seen = [fold(match.group()) for match in word.finditer(text)]
        places = _places(text, list(lookup(seen)), word)
        for start, end in reversed(_merged(places)):
            text = text[:start] + REMOVED + text[end:]
    return text


def _merged(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in places:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
