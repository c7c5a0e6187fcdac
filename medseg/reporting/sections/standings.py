"""The leaderboard as people read it on a page: every score with its interval, every model with its gap to the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medseg.metrics.ranking import Comparison
from medseg.reporting.leaderboard_row import LeaderboardRow
from medseg.reporting.table import ABSENT
from medseg.reporting.tables import HEADINGS, cell
from medseg.reporting.wording import GROUPS, decimal, interval_text, p_text

GAP = "gap"
COLUMNS = (
    *("rank", "model", "dice", GAP, "dice_spread", "nsd", "hd95_mm", "seconds_per_case", "device_hours"),
    *("parameters_millions", "gmacs", "train_peak_gb", "predict_peak_gb", "status"),
)
FURTHER_COLUMNS = (
    *("model", "iou", "sensitivity", "specificity", "precision", "absence_specificity", "hd_mm", "assd_mm"),
    *("volume_error_ml", "relative_volume_error", "train_seconds", "trainings", "device", "weights", "patch"),
)
TEXT = ("model", "status", "device", "weights", "patch")


@dataclass(frozen=True)
class Cell:
    """What stands in a table's cell, with a second line in small letters."""

    text: str
    detail: str = ""


@dataclass(frozen=True)
class StandingRow:
    """One line of the leaderboard."""

    row: LeaderboardRow
    cells: dict[str, Cell]


def standing_groups(
    rows: Sequence[LeaderboardRow], comparisons: Mapping[str, Comparison], columns: Sequence[str]
) -> dict[str, list[StandingRow]]:
    """Lines under the name of the models that they may be compared with, which share one ranking."""
    groups: dict[str, list[StandingRow]] = {}
    for line in _lines(rows, comparisons, columns):
        groups.setdefault(_group(line.row), []).append(line)
    return groups


def heading(column: str) -> str:
    return "Behind the first" if column == GAP else HEADINGS[column]


def _group(row: LeaderboardRow) -> str:
    return "Without a rank" if row.rank is None or row.group is None else GROUPS[row.group]


def _lines(
    rows: Sequence[LeaderboardRow], comparisons: Mapping[str, Comparison], columns: Sequence[str]
) -> list[StandingRow]:
    """A cell for each of the columns that says something for at least one model."""
    gaps = {model: gap for comparison in comparisons.values() for model, gap in _gaps(comparison).items()}
    cells = [{column: _cell(row, column, gaps) for column in columns} for row in rows]
    shown = [column for column in columns if any(line[column].text != ABSENT for line in cells)]
    return [StandingRow(row, {column: line[column] for column in shown}) for row, line in zip(rows, cells, strict=True)]


def _cell(row: LeaderboardRow, column: str, gaps: Mapping[str, Cell]) -> Cell:
    if column == GAP:
        return gaps.get(row.model, Cell(ABSENT))
    return Cell(cell(row, column) or ABSENT, _detail(row, column))


def _detail(row: LeaderboardRow, column: str) -> str:
    if column == "rank" and row.rank_low is not None and row.rank_low != row.rank_high:
        return f"{row.rank_low} to {row.rank_high}"
    if column == "dice" and row.dice_low is not None and row.dice_high is not None:
        return interval_text(row.dice_low, row.dice_high)
    if column == "seconds_per_case" and row.seconds_per_case_p95 is not None:
        return f"95th: {row.seconds_per_case_p95:.2f}"
    return ""


def _gaps(comparison: Comparison) -> dict[str, Cell]:
    """How far behind the first every other model is, and how sure that is."""
    ranking = comparison.rankings.get("dice")
    if ranking is None:
        return {}
    first = ranking.standings[0].model
    return {
        other: Cell(decimal(abs(pair.difference), 4), f"p {p_text(pair.p_holm)}")
        for pair in comparison.pairs
        if pair.metric == "dice" and first in (pair.first, pair.second)
        for other in {pair.first, pair.second} - {first}
    }
