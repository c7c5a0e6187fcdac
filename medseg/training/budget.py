"""How much of its budget a training has used."""

from __future__ import annotations


def used(step: int, steps: int, elapsed_s: float, max_s: float | None) -> float:
    """Used part, 0 to 1: of the steps or, where there is a limit, of the time, whichever is further."""
    return min(max(step / steps, elapsed_s / max_s if max_s else 0.0), 1.0)


def is_out_of_time(elapsed_s: float, max_s: float | None) -> bool:
    return max_s is not None and elapsed_s >= max_s
