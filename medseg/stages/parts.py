"""Which part of a data set one pod works on."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Self

from medseg.errors import RecipeError


@dataclass(frozen=True)
class Part:
    """Part ``index`` of ``count``, from 1."""

    index: int = 1
    count: int = 1

    @classmethod
    def of(cls, text: str) -> Self:
        """Parse ``2/8``.

        Raises:
            RecipeError: it is none of 1/n to n/n.
        """
        found = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text.strip())
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise RecipeError(f"part {text!r}: must be one of 1/n to n/n, e.g. 2/8 for the second of eight parts")
        return cls(int(found[1]), int(found[2]))

    def owns(self, key: str) -> bool:
        """Whether an item belongs to this part: every item to exactly one, whatever else there is."""
        return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"
