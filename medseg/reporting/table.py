"""A table that programs read as CSV or Parquet and people as Markdown or LaTeX."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Value = str | int | float | bool | None
DTYPES = {str: "string", int: "Int64", float: "Float64", bool: "boolean"}  # those of pandas that know absent values
ABSENT = "–"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        key: its name in CSV and Parquet, with the unit as suffix; rows are mappings from it.
        kind: type of its values; any of them may be absent.
        heading: its name in Markdown and LaTeX; without one it is for programs alone.
        digits: decimals of its numbers where people read them.
        interval: keys of the ends of an interval that people read behind the number.
        wording: what people read for a value that has a name for programs.
    """

    key: str
    kind: type
    heading: str = ""
    digits: int = 4
    interval: tuple[str, str] | None = None
    wording: Mapping[str, str] = field(default_factory=dict)

    def text(self, row: Mapping[str, Value]) -> str:
        """A value as people read it."""
        value = as_text(row[self.key], self.digits)
        value = self.wording.get(value, value)
        ends = [as_text(row[key], self.digits) for key in self.interval or ()]
        return f"{value} ({' to '.join(ends)})" if ends and ABSENT not in ends else value


@dataclass(frozen=True)
class Table:
    """Rows under columns; None, and NaN in a column of floats, is an absent value.

    Attributes:
        name: of its files, without their endings.
        caption: what stands above it in a paper.
        rows: each with a value for every column.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Value]]

    def files(self) -> dict[str, bytes]:
        """Every form of the table by file name; a table whose columns have no headings is for programs alone."""
        files = {f"{self.name}.csv": self.csv(), f"{self.name}.parquet": self.parquet()}
        if self.shown:
            files |= {f"{self.name}.md": self.markdown().encode(), f"{self.name}.tex": self.latex().encode()}
        return files

    def csv(self) -> bytes:
        """UTF-8 with a header; an absent value is an empty cell, floats are exact."""
        text: str = self._frame().to_csv(index=False, lineterminator="\n")
        return text.encode()

    def parquet(self) -> bytes:
        """The same columns and values, typed; an absent value is null."""
        sink = io.BytesIO()
        self._frame().to_parquet(sink, index=False)
        return sink.getvalue()

    def markdown(self) -> str:
        """A table of GitHub's kind: the columns that have a heading, rounded numbers, aligned for a terminal."""
        cells = [[escape_markdown(text) for text in line] for line in self.printed()]
        columns = zip(self.shown, zip(*cells, strict=True), strict=True)
        aligned = [_aligned(texts, left=column.kind is str) for column, texts in columns]
        return "".join(f"| {' | '.join(line)} |\n" for line in zip(*aligned, strict=True))

    def latex(self) -> str:
        """The same as a table of the package booktabs, no wider than the text, every special character escaped."""
        import pandas as pd

        headings, *cells = self.printed()
        frame = pd.DataFrame(cells, columns=headings, dtype="string")
        text: str = frame.to_latex(
            index=False,
            escape=True,
            caption=self.caption.replace("%", "\\%"),
            label=f"tab:{self.name}",
            column_format="".join("l" if column.kind is str else "r" for column in self.shown),
        )
        text = text.replace("\\begin{tabular}", "\\small\n\\begin{adjustbox}{max width=\\textwidth}\n\\begin{tabular}")
        text = text.replace("\\end{tabular}", "\\end{tabular}\n\\end{adjustbox}")
        return "% needs \\usepackage{booktabs,adjustbox}\n" + text

    @property
    def shown(self) -> list[Column]:
        """The columns that people read: those with a heading and, where there are rows, with any value."""
        named = [column for column in self.columns if column.heading]
        return [c for c in named if not self.rows or any(_or_none(row[c.key]) is not None for row in self.rows)]

    def printed(self) -> list[list[str]]:
        """The headings, and the cells of every row, as people read them."""
        shown = self.shown
        return [[column.heading for column in shown], *([column.text(row) for column in shown] for row in self.rows)]

    def _frame(self) -> pd.DataFrame:
        import pandas as pd  # takes half a second, which a leaderboard in a terminal does not need

        return pd.DataFrame(
            {
                column.key: pd.array([_or_none(row[column.key]) for row in self.rows], dtype=DTYPES[column.kind])
                for column in self.columns
            }
        )


def as_text(value: Value, digits: int = 4) -> str:
    """A value as people read it: fixed decimals, a dash where it is absent; what is above 0 is not shown as 0."""
    value = _or_none(value)
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    least = 10.0**-digits
    return f"<{least:.{digits}f}" if 0 < value < least / 2 else f"{value:z.{digits}f}"


def escape_markdown(text: str) -> str:
    """Text that keeps a cell of a table, and does not become HTML."""
    # a tag begins with a letter, so that < before a number may stay and be read in a terminal
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", " ".join(text.split()).replace("|", "\\|"))


def _aligned(texts: Sequence[str], left: bool) -> list[str]:
    """One column of a Markdown table: heading, rule and cells of equal width."""
    width = max(3, *map(len, texts))
    heading, *cells = [text.ljust(width) if left else text.rjust(width) for text in texts]
    return [heading, "-" * width if left else "-" * (width - 1) + ":", *cells]


def _or_none(value: Value) -> Value:
    return None if isinstance(value, float) and math.isnan(value) else value
