"""Moments in which no schedule starts a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from medseg.cron import parse_cron
from pipelines.schedule.quiet import until_quiet

SATURDAY = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("crons", "seconds"),
    [
        (["0 30 23 * * *"], 15),  # due just now
        (["10 30 23 * * *"], 25),
        (["50 29 23 * * *"], 5),  # ten seconds ago
        (["40 29 23 * * *", "20 30 23 * * *"], 0),
        (["50 29 23 * * *", "10 30 23 * * *"], 25),
        (["50 29 23 * * *", "10 30 23 * * *", "30 30 23 * * *"], 45),
        (["*/20 * * * * *"], 0),  # there is no such moment
    ],
)
def test_seconds_until_no_start_is_near(crons: list[str], seconds: float) -> None:
    starts = [parse_cron(text) for text in crons]
    assert until_quiet(starts, SATURDAY, timedelta(seconds=15)) == timedelta(seconds=seconds)
