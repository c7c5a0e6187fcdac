"""What became of every input file: accepted, or left out with a code and a reason."""

from __future__ import annotations

import csv
from collections import Counter
from io import StringIO

from medseg.data.layouts.listing import Rejection, Source, SourceCase
from medseg.errors import RejectedFileError

COLUMNS = ("path", "code", "reason")


class Ledger:
    """Gives every file of a source exactly one fate; the first reason against a file stays."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._fates: dict[str, Rejection | None] = {}
        for name in source.others:
            self.reject(Rejection(name, "not-a-file", "is a broken link, a pipe or a device"))

    def accept(self, *names: str) -> None:
        for name in names:
            self._fates.setdefault(name, None)

    def accept_case(self, case: SourceCase) -> None:
        self.accept(*(self._source.name(path) for path in (*case.images, *case.references)))

    def reject(self, *rejections: Rejection) -> None:
        for rejection in rejections:
            if self._fates.get(rejection.path) is None:
                self._fates[rejection.path] = rejection

    def reject_case(self, case: SourceCase, error: RejectedFileError) -> Rejection:
        """Leave a whole case out.

        Returns:
            The rejection of the file at fault, or of the image where the fault is not in one file.
        """
        at_fault = [self._source.name(path) for path in ([error.path] if error.path else case.images)]
        first = Rejection(at_fault[0], error.code, error.reason)
        self.reject(first, *(Rejection(name, error.code, error.reason) for name in at_fault[1:]))
        for path in (*case.images, *case.references):
            if (name := self._source.name(path)) not in at_fault:
                self.reject(Rejection(name, "case-rejected", f"{at_fault[0]} of case {case.case} is {error.code}"))
        return first

    def close(self) -> None:
        """Leave out what nobody asked for."""
        for name in self._source.files:
            if name not in self._fates:
                reason = "belongs to no case and is no metadata of this layout"
                self.reject(Rejection(name, "not-part-of-layout", reason))

    @property
    def rejected(self) -> list[Rejection]:
        """Sorted by path."""
        return sorted((fate for fate in self._fates.values() if fate), key=lambda fate: fate.path)

    @property
    def seen(self) -> int:
        return len(self._fates)

    def by_code(self) -> dict[str, int]:
        """Number of rejected files by code, the most frequent first."""
        return dict(Counter(rejection.code for rejection in self.rejected).most_common())

    def to_csv(self) -> bytes:
        """``rejected.csv``."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((row.path, row.code, row.reason) for row in self.rejected)
        return text.getvalue().encode("utf-8", "backslashreplace")  # file names need not be valid UTF-8
