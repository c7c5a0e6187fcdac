"""A moment in which no schedule starts a run, so that one can take another's place."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from medseg.cron import Cron


def until_quiet(crons: Iterable[Cron], now: datetime, margin: timedelta) -> timedelta:
    """How long to wait for a moment that has no start within ``margin`` before and after it.

    Zero where there is none soon, since starts follow each other too closely.
    """
    quiet, crons = now, list(crons)
    while quiet <= now + 4 * margin:
        starts = [cron.next_after(quiet - margin) for cron in crons]
        near = [start for start in starts if start and start <= quiet + margin]
        if not near:
            return quiet - now
        quiet = max(near) + margin
    return timedelta(0)
