"""Cron as Kubeflow Pipelines reads it: six fields, seconds first, in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
HORIZON_DAYS = 5 * 366  # after which Kubeflow Pipelines gives up too
EXAMPLE = "0 0 3 * * 1 is every Monday at three"


@dataclass(frozen=True)
class Field:
    """One of the six fields, its lowest and highest value, and names that stand for values."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        """All values that the text stands for.

        Raises:
            ValueError: it stands for none; says what the field may hold.
        """
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def _part(self, part: str) -> range:
        span, slash, step_text = part.partition("/")
        low_text, dash, high_text = span.partition("-")
        if span in ("*", "?"):
            low, high = self.low, self.high
        else:
            low = self._value(low_text, part)
            high = self._value(high_text, part) if dash else self.high if slash else low
        step = int(step_text) if step_text.isdecimal() else 0
        if low > high or (slash and not step):
            raise ValueError(self._rule(part))
        return range(low, high + 1, step or 1)

    def _value(self, text: str, part: str) -> int:
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.low
        if not text.isdecimal() or not self.low <= int(text) <= self.high:
            raise ValueError(self._rule(part))
        return int(text)

    def _rule(self, part: str) -> str:
        names = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        sunday = "; Sunday is 0" if self.names == WEEKDAYS else ""
        return f"{part!r} is no {self.name}: must be {self.low} to {self.high}{names}, *, a-b, a,b or */step{sunday}"


FIELDS = (
    Field("second", 0, 59),
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of the month", 1, 31),
    Field("month", 1, 12, MONTHS),
    Field("day of the week", 0, 6, WEEKDAYS),
)


@dataclass(frozen=True)
class Cron:
    """Starts that a cron expression means.

    Attributes:
        times: hour, minute and second of each start of a day, sorted.
        either_day: a day counts that fits the month or the week; otherwise it must fit both.
    """

    text: str
    times: tuple[tuple[int, int, int], ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def next_after(self, moment: datetime) -> datetime | None:
        """The first start after a moment, in UTC; None if there is none within five years."""
        moment = moment.astimezone(UTC).replace(microsecond=0)
        for days in range(HORIZON_DAYS):
            day = moment.replace(hour=0, minute=0, second=0) + timedelta(days=days)
            if self._fits(day):
                for hour, minute, second in self.times:
                    start = day.replace(hour=hour, minute=minute, second=second)
                    if start > moment:
                        return start
        return None

    def _fits(self, day: datetime) -> bool:
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and ((of_month or of_week) if self.either_day else (of_month and of_week))


def parse_cron(text: str) -> Cron:
    """Read ``schedule.cron``.

    Raises:
        ValueError: names the field that is wrong, its value and what it may hold.
    """
    parts = text.split()
    if len(parts) == len(FIELDS) - 1:
        raise ValueError(f"has five fields; Kubeflow Pipelines wants six, seconds first: '0 {text}'")
    if len(parts) != len(FIELDS):
        raise ValueError(f"has {len(parts)} fields; must have six: {EXAMPLE}")
    try:
        seconds, minutes, hours, days, months, weekdays = (
            field.parse(part) for field, part in zip(FIELDS, parts, strict=True)
        )
    except ValueError as error:
        raise ValueError(f"{error}; {EXAMPLE}, in UTC") from None
    either_day = not any(part.startswith(("*", "?")) for field in (parts[3], parts[5]) for part in field.split(","))
    times = tuple(product(sorted(hours), sorted(minutes), sorted(seconds)))
    cron = Cron(" ".join(parts), times, days, months, weekdays, either_day)
    if cron.next_after(datetime.now(UTC)) is None:
        raise ValueError(f"no such day within five years; {EXAMPLE}, in UTC")
    return cron
