"""Path patterns of layout cards, such as ``images/{case}_{channel}.{ext}``, matched against names below a source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from medseg.data.layouts.names import ENDINGS

PLACEHOLDERS = {
    "case": "one image and its references; any text without a slash",
    "patient": "owner of the case",
    "channel": "four digits such as 0000, or one of the card's channels",
    "class": "class that the file draws or belongs to",
    "split": "one of the card's splits",
    "ext": "ending of an image: " + " ".join(ENDINGS),
}

_TOKEN = re.compile(r"\*\*/|\*|\{([^{}]*)\}|[{}]")
_ANY = "[^/]+?"


@dataclass(frozen=True)
class Pattern:
    """A path pattern that whole names are matched against.

    ``*`` is any text without a slash, ``**/`` any folders or none, the rest of the placeholders are in
    ``PLACEHOLDERS``; one that comes twice must be the same text both times.

    Attributes:
        fields: the placeholders in it.
    """

    text: str
    fields: frozenset[str]
    expression: re.Pattern[str]

    def match(self, name: str) -> Mapping[str, str] | None:
        """What the placeholders stand for; None where the name is another one, or that of a hidden file."""
        found = self.expression.fullmatch(name)
        if found is None or name.rpartition("/")[2].startswith("."):
            return None
        return found.groupdict()


def compile_pattern(text: str, channels: Iterable[str] = (), splits: Iterable[str] = ()) -> Pattern:
    """Read a pattern.

    Args:
        channels: names that ``{channel}`` stands for; four digits if there are none.
        splits: names that ``{split}`` stands for.

    Raises:
        ValueError: an unknown placeholder, an open brace, or an absolute path.
    """
    if text.startswith("/"):
        raise ValueError(f"{text!r} must be a path below the source, without a slash at its start")
    choices = {"channel": _one_of(channels) or r"\d{4}", "split": _one_of(splits) or _ANY, "ext": _endings()}
    fields: set[str] = set()
    parts: list[str] = []
    end = 0
    for token in _TOKEN.finditer(text):
        parts += [re.escape(text[end : token.start()]), _expression(token, text, choices, fields)]
        end = token.end()
    parts.append(re.escape(text[end:]))
    return Pattern(text, frozenset(fields), re.compile("".join(parts)))


def _expression(token: re.Match[str], text: str, choices: Mapping[str, str], fields: set[str]) -> str:
    if token[0] == "**/":
        return "(?:[^/]+/)*"
    if token[0] == "*":
        return "[^/]*?"
    field = token[1]
    if field not in PLACEHOLDERS:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(f"{text!r}: {token[0]} is no placeholder; choose from {known}, * and **/")
    if field in fields:
        return f"(?P={field})"
    fields.add(field)
    return f"(?P<{field}>{choices.get(field, _ANY)})"


def _one_of(names: Iterable[str]) -> str:
    longest_first = sorted(names, key=len, reverse=True)
    return "|".join(map(re.escape, longest_first))


def _endings() -> str:
    return "(?i:" + "|".join(re.escape(ending.lstrip(".")) for ending in ENDINGS) + ")"
