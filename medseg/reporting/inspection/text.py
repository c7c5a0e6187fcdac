"""Text from outside the project, as it may be shown: every character visible."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

EXAMPLES = 6


def visible(value: Any) -> Any:
    """Control, invisible and direction-changing characters of a text as escapes; everything else unchanged."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)


def listed(names: tuple[str, ...], most: int = EXAMPLES) -> str:
    """The first names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def quantity(value: float) -> str:
    """A measured number with three significant digits, large ones in full."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def counted(number: int, singular: str, plural: str = "") -> str:
    """``1 case``, ``2 cases``, ``12,000 cases``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
