"""How pages that need no other file are made: from templates, with their pictures inside."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import jinja2
from matplotlib.figure import Figure

from medseg.reporting.figures.style import WIDTH_INCHES, svg

LARGEST_REM, SMALLEST_REM = 8.3, 6.0  # per inch of a figure: letters of 10 points become 18 or 13 pixels


@dataclass(frozen=True)
class Picture:
    """An embedded picture.

    Attributes:
        source: its data URI.
        alt: the text that stands for it where it cannot be seen.
        largest_rem: width up to which it grows with its place; 0 for no such limit.
        smallest_rem: width below which it is scrolled; 0 lets it shrink with the screen.
    """

    source: str
    alt: str
    largest_rem: float = 0.0
    smallest_rem: float = 0.0


def figure_picture(figure: Figure, alt: str) -> Picture:
    """Its letters have one size on a wide page; one that is wider than usual is not made smaller on a narrow one."""
    width = figure.get_figwidth()
    smallest = SMALLEST_REM * width if width > WIDTH_INCHES else 0.0
    source = data_uri(svg(figure).encode(), "svg+xml")
    return Picture(source, alt, round(LARGEST_REM * width, 1), round(smallest, 1))


def data_uri(data: bytes, kind: str) -> str:
    """A picture's bytes as the source of an ``img``; ``kind`` as in ``image/png``."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def template_environment(**options: Any) -> jinja2.Environment:
    """How pages are made of templates: everything is escaped, and a missing value is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("medseg.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        **options,
    )
