"""What the columns of scores and costs are called, how they are rounded, and the leaderboard in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from medseg.reporting.leaderboard_row import LeaderboardRow
from medseg.reporting.table import as_text
from medseg.reporting.wording import decimal

DIGITS = {
    "hd95_mm": 2,
    "hd_mm": 2,
    "assd_mm": 2,
    "volume_error_ml": 2,
    "train_seconds": 0,
    "seconds_per_case": 2,
    "seconds_per_case_p95": 2,
    "device_hours": 2,
    "parameters_millions": 2,
    "gmacs": 2,
    "train_peak_gb": 2,
    "predict_peak_gb": 2,
    "mean_rank": 2,
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
    "absence_specificity": "Absence specificity",
    "dice_low": "Dice from (95%)",
    "dice_high": "Dice to (95%)",
    "dice_spread": "Dice SD",
    "rank_low": "Rank from (95%)",
    "rank_high": "Rank to (95%)",
    "mean_rank": "Mean rank",
    "seconds_per_case": "s per case",
    "seconds_per_case_p95": "s per case (95th percentile)",
    "train_seconds": "Training (s)",
    "device_hours": "Device hours",
    "parameters_millions": "Parameters (M)",
    "gmacs": "GMACs of a patch",
    "patch": "Patch",
    "train_peak_gb": "Training memory (GB)",
    "predict_peak_gb": "Prediction memory (GB)",
    "pareto": "Pareto",
    "device": "Device",
    "weights": "Weights",
    "trainings": "Trainings",
    # of classes and their lesions
    "absent": "Absent",
    "undefined_dice": "Without Dice",
    "missed": "Missed",
    "invented": "Invented",
    "not_predicted": "Not predicted",
    "lesions_found": "Found",
    "lesions_missed": "Missed",
    "lesions_invented": "Invented",
    "lesion_sensitivity": "Sensitivity",
    "lesion_precision": "Precision",
    "lesion_f1": "F1",
    # of pairs and ranks
    "metric": "Metric",
    "first": "Better",
    "second": "Than",
    "difference": "Difference",
    "cases": "Cases",
    "p_holm": "p (Holm)",
    "significant": "Significant",
    "mean": "Mean",
    "rank_by_mean_rank": "Rank by mean rank",
}
TERMINAL_COLUMNS = (
    *("rank", "model", "status", "dice", "iou", "hd95_mm", "nsd"),
    *("seconds_per_case", "device_hours", "parameters_millions"),
)
NO_RESULTS = "No results: no model of this run has started."


def format_leaderboard(rows: Sequence[LeaderboardRow]) -> str:
    """The table for a terminal, Dice with its 95% interval; reasons stand below it."""
    if not rows:
        return NO_RESULTS
    table = [[HEADINGS[column] for column in TERMINAL_COLUMNS]]
    table += [[_terminal_cell(row, column) for column in TERMINAL_COLUMNS] for row in rows]
    widths = [max(len(line[index]) for line in table) for index in range(len(TERMINAL_COLUMNS))]
    lines = [_aligned(line, widths) for line in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines + [f"{row.model} {row.status}: {row.reason}" for row in rows if row.reason])


def cell(row: LeaderboardRow, column: str) -> str:
    """A value as people read it; an absent one is a dash."""
    if column == "trainings":
        return f"{row.trainings_succeeded}/{row.trainings}"
    return as_text(getattr(row, column), DIGITS.get(column, 4))


def _terminal_cell(row: LeaderboardRow, column: str) -> str:
    if column == "dice" and row.dice_low is not None:
        dice, low, high = (decimal(value, 4) for value in (row.dice, row.dice_low, row.dice_high))
        return f"{dice} ({low} to {high})"
    return cell(row, column)


def _aligned(cells: list[str], widths: list[int]) -> str:
    text = {"model", "status", "dice"}
    parts = [
        value.ljust(width) if column in text else value.rjust(width)
        for column, value, width in zip(TERMINAL_COLUMNS, cells, widths, strict=True)
    ]
    return "  ".join(parts).rstrip()
