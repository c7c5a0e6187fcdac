"""Leaderboards as text."""

from medseg.reporting.leaderboard import LeaderboardRow
from medseg.reporting.tables import LEADERBOARD_COLUMNS, format_leaderboard, leaderboard_csv, leaderboard_markdown

NUMBERS = ("dice", "iou", "sensitivity", "specificity", "hd95_mm", "nsd", "seconds_per_case", "train_seconds")
OTHERS = ("parameters_millions", "precision", "dice_spread")


def row(model, rank, status="succeeded", value=None, reason=""):
    numbers = dict.fromkeys((*NUMBERS, *OTHERS), value)
    return LeaderboardRow(
        rank=rank,
        model=model,
        status=status,
        trainings=1,
        trainings_succeeded=int(not reason),
        reason=reason,
        weights="none",
        **numbers,
    )


ROWS = [row("unet", 1, value=0.5), row("segformer", None, "failed", reason="loss | became <NaN>")]


def test_terminal_table_aligns_and_gives_the_reason_below():
    lines = format_leaderboard(ROWS).splitlines()
    assert lines[0].split()[:4] == ["Rank", "Model", "Status", "Dice"]
    assert lines[2].index("0.5000") == lines[0].index("Dice") - 2
    assert lines[-1] == "segformer failed: loss | became <NaN>"


def test_csv_has_all_columns_and_empty_cells():
    header, first, second = leaderboard_csv(ROWS).decode().splitlines()
    assert header == ",".join(LEADERBOARD_COLUMNS)
    assert first.startswith("1,unet,succeeded,0.5,")
    assert second.startswith(",segformer,failed,,,")


def test_markdown_escapes_what_would_break_the_table():
    text = leaderboard_markdown(ROWS, "demo")
    assert text.startswith("# demo\n\n| Rank |")
    assert "- **segformer** failed: loss \\| became &lt;NaN>" in text


def test_no_rows_say_so():
    assert "No results" in format_leaderboard([])
    assert "No results" in leaderboard_markdown([], "demo")
