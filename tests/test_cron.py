"""Cron in six fields: when it starts, and what is said of a wrong field."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from medseg.config import recipe_from_yaml
from medseg.cron import parse_cron
from medseg.errors import RecipeError

SATURDAY = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "start"),
    [
        ("0 0 3 * * 1", "2026-11-23T03:00:00"),  # Monday
        ("0 0 3 * * MON", "2026-11-23T03:00:00"),
        ("0 0 3 ? * 1-5", "2026-11-23T03:00:00"),
        ("0 0 3 * * 0", "2026-11-22T03:00:00"),  # Sunday
        ("30 */20 * * * *", "2026-11-21T23:40:30"),
        ("0 30 23 * * *", "2026-11-22T23:30:00"),  # not the moment itself
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 12 1 jan,JUL ?", "2027-01-01T12:00:00"),
        ("0 0 22/2 * * *", "2026-11-22T22:00:00"),
        ("0 0 0 25 * 1", "2026-11-23T00:00:00"),  # the 25th or a Monday
        ("0 0 0 1-7 * */7", "2026-12-06T00:00:00"),  # a star: both, the first Sunday of a month
        ("* * * * * *", "2026-11-21T23:30:01"),
    ],
)
def test_next_start(cron: str, start: str) -> None:
    assert parse_cron(cron).next_after(SATURDAY) == datetime.fromisoformat(start).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("0 3 * * 1", "has five fields; Kubeflow Pipelines wants six, seconds first: '0 0 3 * * 1'"),
        ("0 0 3 * * 1 2026", "has 7 fields; must have six: 0 0 3 * * 1 is every Monday at three"),
        (
            "60 0 3 * * 1",
            "'60' is no second: must be 0 to 59, *, a-b, a,b or */step; 0 0 3 * * 1 is",
        ),
        ("0 -1 3 * * 1", "'-1' is no minute: must be 0 to 59"),
        ("0 0 24 * * 1", "'24' is no hour: must be 0 to 23"),
        ("0 0 3 0 * *", "'0' is no day of the month: must be 1 to 31"),
        ("0 0 3 L * *", "'L' is no day of the month"),
        ("0 0 3 * 13 *", "'13' is no month: must be 1 to 12 or jan to dec"),
        ("0 0 3 * * 7", "'7' is no day of the week: must be 0 to 6 or sun to sat, *, a-b, a,b or */step; Sunday is 0"),
        ("0 0 3 * * 5-1", "'5-1' is no day of the week"),
        ("0 0 3 * * monday", "'monday' is no day of the week"),
        ("*/0 0 3 * * 1", "'*/0' is no second"),
        ("0 0 3,,4 * * 1", "'' is no hour"),
        ("TZ=Europe/Paris 0 3 * * 1", "'TZ=Europe/Paris' is no second"),
        ("0 0 3 31 2 *", "no such day within five years"),
    ],
)
def test_what_is_wrong_is_named_with_what_may_stand_there(cron: str, says: str) -> None:
    with pytest.raises(RecipeError) as raised:
        recipe_from_yaml(f"{{name: a, dataset: {{name: b}}, schedule: {{cron: {cron!r}}}}}", "demo.yaml")
    assert str(raised.value).startswith(f"demo.yaml: schedule.cron = {cron!r}")
    assert says in str(raised.value)


def test_blanks_between_the_fields_do_not_matter() -> None:
    recipe = recipe_from_yaml("{name: a, dataset: {name: b}, schedule: {cron: ' 0 0  3 * * 1 '}}", "demo.yaml")
    assert recipe.schedule is not None
    assert recipe.schedule.cron == "0 0 3 * * 1"
