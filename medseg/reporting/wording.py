"""How numbers and lists read in a sentence or a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from medseg.metrics.ranking import Comparison
from medseg.reporting.comparisons import PRETRAINED, SCRATCH
from medseg.reporting.table import ABSENT

GROUPS = {SCRATCH: "Trained from scratch", PRETRAINED: "From pretrained weights"}


def headed(comparisons: Mapping[str, Comparison]) -> list[tuple[str, Comparison]]:
    """Every comparison with its heading, which is empty where there is only one."""
    return [(GROUPS[key] if len(comparisons) > 1 else "", comparison) for key, comparison in comparisons.items()]


def p_text(p: float) -> str:
    """``= 0.004`` or ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def interval_text(low: float, high: float, digits: int = 3) -> str:
    """``[0.890, 0.930]``; empty where there is none."""
    return "" if math.isnan(low) or math.isnan(high) else f"[{low:z.{digits}f}, {high:z.{digits}f}]"


def decimal(value: float | None, digits: int = 3) -> str:
    """Fixed decimals, a dash for None and NaN, and no minus before a zero."""
    return ABSENT if value is None or math.isnan(value) else f"{value:z.{digits}f}"


def joined(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
