"""``rejected.csv`` counted by reason."""

from __future__ import annotations

import csv
import io

from medseg.errors import DataError
from medseg.reporting.inspection.findings import RejectedCode

EXAMPLES = 5
COLUMNS = ["path", "code", "reason"]


def read_rejections(data: bytes, where: str) -> tuple[RejectedCode, ...]:
    """Files by reason code, the most frequent first, with the first examples of each.

    Raises:
        DataError: not a list of rejected files.
    """
    # Python before 3.13 writes a carriage return in a name unquoted, and then does not read it
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "␍")
    counts: dict[str, int] = {}
    examples: dict[str, list[tuple[str, str]]] = {}
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""))):
            if number == 0 and row == COLUMNS:
                continue
            path, code, reason = row
            counts[code] = counts.get(code, 0) + 1
            if len(shown := examples.setdefault(code, [])) < EXAMPLES:
                shown.append((path, reason))
    except (csv.Error, ValueError) as error:
        raise DataError(f"{where}: not a list of rejected files ({error}); run ingest again") from error
    ordered = sorted(counts, key=lambda code: (-counts[code], code))
    return tuple(RejectedCode(code, counts[code], tuple(examples[code])) for code in ordered)
