"""Tables in all their forms, and leaderboards as text."""

from __future__ import annotations

import csv
import io
import math

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.metrics.case import METRICS
from medseg.reporting.leaderboard import efficient_models
from medseg.reporting.leaderboard_row import LeaderboardRow
from medseg.reporting.score_tables import leaderboard_table
from medseg.reporting.summary import summary_markdown
from medseg.reporting.table import Column, Table, as_text
from medseg.reporting.tables import format_leaderboard

TABLE = Table(
    "pets",
    "Pets, and 95% of their owners",
    [
        Column("name", str, "Name"),
        Column("legs", int, "Legs"),
        Column("kg", float, "Mass (kg)", digits=2, interval=("low", "high")),
        Column("low", float),
        Column("high", float),
        Column("tame", bool, "Tame", wording={"yes": "very"}),
        Column("nothing", float, "Nothing"),
    ],
    [
        {"name": "a_b|<c> 5%", "legs": 4, "kg": 0.1 + 0.2, "low": 0.1, "high": 0.5, "tame": True, "nothing": None},
        {"name": "fish", "legs": None, "kg": math.nan, "low": None, "high": math.nan, "tame": None, "nothing": None},
    ],
)


def parquet(table: Table) -> list[dict[str, object]]:
    return pq.read_table(io.BytesIO(table.parquet())).to_pylist()


def test_csv_has_exact_floats_and_empty_cells_for_what_is_absent() -> None:
    assert TABLE.csv().decode() == (
        "name,legs,kg,low,high,tame,nothing\na_b|<c> 5%,4,0.30000000000000004,0.1,0.5,True,\nfish,,,,,,\n"
    )


def test_parquet_has_the_same_values_with_their_types() -> None:
    first, second = parquet(TABLE)
    assert first == {**TABLE.rows[0]}
    assert second == {**dict.fromkeys(first), "name": "fish"}
    assert [type(first[key]) for key in ("legs", "kg", "tame")] == [int, float, bool]


def test_markdown_shows_what_people_read_aligned_and_escaped() -> None:
    assert TABLE.markdown().splitlines() == [
        "| Name           | Legs |           Mass (kg) | Tame |",
        "| -------------- | ---: | ------------------: | ---: |",
        "| a_b\\|&lt;c> 5% |    4 | 0.30 (0.10 to 0.50) | very |",
        "| fish           |    – |                   – |    – |",
    ]


def test_latex_is_a_table_of_booktabs_with_every_special_character_escaped() -> None:
    text = TABLE.latex()
    assert "\\caption{Pets, and 95\\% of their owners}" in text
    assert "\\begin{tabular}{lrrr}\n\\toprule\nName & Legs & Mass (kg) & Tame \\\\\n\\midrule\n" in text
    assert text.index("\\begin{adjustbox}{max width=\\textwidth}") < text.index("\\begin{tabular}")
    assert text.index("\\end{tabular}") < text.index("\\end{adjustbox}")
    assert "a\\_b|<c> 5\\% & 4 & 0.30 (0.10 to 0.50) & very \\\\\nfish & – & – & – \\\\\n\\bottomrule" in text


def test_a_table_without_rows_keeps_its_columns() -> None:
    empty = Table("none", "", TABLE.columns, [])
    assert empty.csv() == b"name,legs,kg,low,high,tame,nothing\n"
    assert pq.read_table(io.BytesIO(empty.parquet())).column_names == [column.key for column in TABLE.columns]
    assert "Nothing" in empty.markdown()
    assert "\\bottomrule" in empty.latex()


def test_a_table_for_programs_alone_has_no_printed_form() -> None:
    assert list(Table("t", "", [Column("a", int)], [{"a": 1}]).files()) == ["t.csv", "t.parquet"]


@given(st.lists(st.floats() | st.none(), max_size=5))
def test_any_number_comes_back_from_both_files_as_it_was(values: list[float | None]) -> None:
    table = Table("t", "", [Column("i", int), Column("x", float)], [{"i": i, "x": x} for i, x in enumerate(values)])
    expected = [None if value is None or math.isnan(value) else value for value in values]
    assert [row["x"] for row in parquet(table)] == expected
    cells = [row["x"] for row in csv.DictReader(io.StringIO(table.csv().decode()))]
    assert [float(cell) if cell else None for cell in cells] == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0000"),
        (0.00001, "<0.0001"),
        (-0.00001, "0.0000"),
        (0.5, "0.5000"),
        (math.nan, "–"),
        (None, "–"),
        (True, "yes"),
        (3, "3"),
    ],
)
def test_what_people_read(value: float | None, text: str) -> None:
    assert as_text(value) == text


def row(
    model: str, rank: int | None, status: str = "succeeded", value: float | None = None, **more: object
) -> LeaderboardRow:
    numbers = dict.fromkeys(
        (*METRICS, "absence_specificity", "dice_spread", "seconds_per_case", "seconds_per_case_p95", "train_seconds"),
        value,
    )
    costs = dict.fromkeys(
        ("train_seconds", "device_hours", "parameters_millions", "gmacs", "train_peak_gb", "predict_peak_gb"), value
    )
    rest = {"device": "cpu", "patch": None, "weights": "none", "trainings": 1, "trainings_succeeded": 1, "reason": ""}
    return LeaderboardRow(rank=rank, model=model, status=status, **{**numbers, **costs, **rest, **more})  # type: ignore[arg-type]


ROWS = [
    row("unet", 1, value=0.5, dice_low=0.25, dice_high=0.75),
    row("segformer", None, "failed", reason="loss | became <NaN>"),
]


def test_terminal_table_aligns_shows_the_interval_and_gives_the_reason_below() -> None:
    lines = format_leaderboard(ROWS).splitlines()
    assert lines[0].split()[:4] == ["Rank", "Model", "Status", "Dice"]
    assert lines[2].index("0.5000 (0.2500 to 0.7500)") == lines[0].index("Dice")
    assert lines[-1] == "segformer failed: loss | became <NaN>"
    assert max(map(len, lines)) <= 140


def test_csv_leaves_the_numbers_of_a_failed_model_empty() -> None:
    _, first, second = leaderboard_table(ROWS).csv().decode().splitlines()
    assert first.startswith("1,unet,succeeded,0.5,")
    assert second.startswith(",segformer,failed,,,")


def test_the_summary_escapes_what_would_break_the_table() -> None:
    text = summary_markdown(ROWS, "demo", None)
    assert text.startswith("# demo\n\n| Rank |")
    assert "- **segformer** failed: loss \\| became &lt;NaN>" in text


def test_no_rows_say_so() -> None:
    assert "No results" in format_leaderboard([])
    assert "No results" in summary_markdown([], "demo", None)


def test_a_model_is_efficient_unless_another_is_as_good_and_cheaper() -> None:
    rows = [
        row("best", 1, dice=0.9, device_hours=4.0),
        row("cheap", 2, dice=0.8, device_hours=1.0),
        row("wasteful", 3, dice=0.8, device_hours=2.0),
        row("unknown", 4, dice=1.0, device_hours=None),
    ]
    assert efficient_models(rows, "device_hours") == {"best", "cheap"}
