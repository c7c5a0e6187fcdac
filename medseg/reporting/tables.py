"""The leaderboard as CSV, Markdown and plain text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import fields

from medseg.reporting.leaderboard import LeaderboardRow

LEADERBOARD_COLUMNS = tuple(field.name for field in fields(LeaderboardRow))

DIGITS = {
    "hd95_mm": 2,
    "hd_mm": 2,
    "assd_mm": 2,
    "volume_error_ml": 2,
    "train_seconds": 0,
    "seconds_per_case": 2,
    "parameters_millions": 2,
}  # all others 4
HEADINGS = {
    "rank": "Rank",
    "model": "Model",
    "status": "Status",
    "dice": "Dice",
    "iou": "IoU",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "precision": "Precision",
    "hd95_mm": "HD95 (mm)",
    "hd_mm": "HD (mm)",
    "assd_mm": "ASSD (mm)",
    "nsd": "NSD",
    "volume_error_ml": "Volume error (ml)",
    "relative_volume_error": "Relative volume error",
    "dice_spread": "Dice SD",
    "seconds_per_case": "s per case",
    "train_seconds": "Training (s)",
    "parameters_millions": "Parameters (M)",
    "weights": "Weights",
    "trainings": "Trainings",
}
TERMINAL_COLUMNS = (
    *("rank", "model", "status", "dice", "iou", "hd95_mm", "nsd"),
    *("seconds_per_case", "train_seconds", "parameters_millions"),
)
NO_RESULTS = "No results: no model of this run has started."


def leaderboard_csv(rows: Sequence[LeaderboardRow]) -> bytes:
    """UTF-8 CSV with the header ``LEADERBOARD_COLUMNS``; None is an empty cell, floats have 10 significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(LEADERBOARD_COLUMNS)
    for row in rows:
        values = [getattr(row, column) for column in LEADERBOARD_COLUMNS]
        writer.writerow(f"{value:.10g}" if isinstance(value, float) else value for value in values)
    return text.getvalue().encode()


def leaderboard_markdown(rows: Sequence[LeaderboardRow], title: str) -> str:
    """The table and the reasons of the models without a rank."""
    lines = [f"# {title}", ""]
    if not rows:
        return "\n".join([*lines, NO_RESULTS, ""])
    columns = [column for column in HEADINGS if column != "trainings"]
    lines += [_markdown_row(HEADINGS[column] for column in columns), _markdown_row("---" for _ in columns)]
    lines += [_markdown_row(_escaped(cell(row, column)) for column in columns) for row in rows]
    reasons = [f"- **{_escaped(row.model)}** {row.status}: {_escaped(row.reason)}" for row in rows if row.reason]
    return "\n".join([*lines, *(["", "## Not ranked", "", *reasons] if reasons else []), ""])


def format_leaderboard(rows: Sequence[LeaderboardRow]) -> str:
    """The table for a terminal; reasons stand below it."""
    if not rows:
        return NO_RESULTS
    table = [[HEADINGS[column] for column in TERMINAL_COLUMNS]]
    table += [[cell(row, column) for column in TERMINAL_COLUMNS] for row in rows]
    widths = [max(len(line[index]) for line in table) for index in range(len(TERMINAL_COLUMNS))]
    lines = [_aligned(line, widths) for line in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines + [f"{row.model} {row.status}: {row.reason}" for row in rows if row.reason])


def cell(row: LeaderboardRow, column: str) -> str:
    """A value as people read it; an absent one is a dash."""
    value = getattr(row, column)
    if column == "trainings":
        return f"{row.trainings_succeeded}/{row.trainings}"
    return number(value, DIGITS.get(column, 4)) if isinstance(value, float) else "–" if value is None else str(value)


def number(value: float | None, digits: int = 4) -> str:
    """Fixed decimals; an absent value is a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def _aligned(cells: list[str], widths: list[int]) -> str:
    text = {"model", "status"}
    parts = [
        value.ljust(width) if column in text else value.rjust(width)
        for column, value, width in zip(TERMINAL_COLUMNS, cells, widths, strict=True)
    ]
    return "  ".join(parts).rstrip()


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
