"""One line of the doctor: what was looked at, how it is, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        state: a ``warning`` lets a run start and may spoil it, what ``failed`` does not let it end well, what was
            ``skipped`` could not be known.
        mend: what to do about it, as a command where there is one.
    """

    state: State
    subject: str
    text: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.state:<8} {self.subject}: {self.text}" + (f"; {self.mend}" if self.mend else "")


class UnknownError(Exception):
    """What a check asks cannot be known here; the message says why."""


class NotReachedError(UnknownError):
    """The cluster does not answer, which another check reports."""


def ok(subject: str, text: str) -> Finding:
    return Finding("ok", subject, text)


def warning(subject: str, text: str, mend: str) -> Finding:
    return Finding("warning", subject, text, mend)


def failed(subject: str, text: str, mend: str) -> Finding:
    return Finding("failed", subject, text, mend)


def skipped(subject: str, text: str) -> Finding:
    return Finding("skipped", subject, text)
