"""The tables of a report: models, their classes, pairs of them, their ranks and their cases."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from medseg.metrics.aggregate import POOLED_METRICS, aggregate, case_names, case_scores, class_names
from medseg.metrics.case import METRICS
from medseg.metrics.ranking import Comparison, Pair, Ranking, Standing
from medseg.reporting.comparisons import PRETRAINED, SCRATCH
from medseg.reporting.leaderboard import LeaderboardRow
from medseg.reporting.results import RunResults
from medseg.reporting.table import Column, Table, Value
from medseg.reporting.tables import DIGITS, HEADINGS

LEADERBOARD, CLASSES, PAIRS, RANKS, CASES = "leaderboard", "classes", "pairs", "ranks", "cases"

Row = dict[str, Value]

_PAPER = (
    *("rank", "model", "weights", "dice", "dice_spread", "iou", "hd95_mm", "assd_mm", "nsd"),
    *("seconds_per_case", "device_hours", "parameters_millions", "gmacs", "status"),
)
_GROUP = Column("group", str, "Trained from", wording={SCRATCH: "random weights", PRETRAINED: "pretrained weights"})
_COUNTS = (
    *("absent", "absence_specificity", "undefined_dice", "missed", "invented", "not_predicted"),
    *("lesions_found", "lesions_missed", "lesions_invented"),
)


def leaderboard_table(rows: Iterable[LeaderboardRow]) -> Table:
    """One row per model."""
    shown = {"dice": ("dice_low", "dice_high")}
    return Table(
        LEADERBOARD,
        "Models by mean Dice over the test cases, with 95% bootstrap intervals over patients.",
        _columns(LeaderboardRow, _PAPER, shown),
        [asdict(row) for row in rows],
    )


def classes_table(results: RunResults, models: Sequence[str]) -> Table:
    """One row per model and class; counts are over all cases and trainings of the model."""
    texts = [Column("model", str, "Model"), Column("class", str, "Class")]
    means = [
        Column(metric, float, HEADINGS[metric] if metric in _PAPER else "", DIGITS.get(metric, 4)) for metric in METRICS
    ]
    pooled = [Column(f"pooled_{m}", float, "Pooled Dice" if m == "dice" else "") for m in POOLED_METRICS]
    counts = [Column(key, float if key == "absence_specificity" else int, HEADINGS[key]) for key in _COUNTS]
    rows = [row for model in models for row in class_rows(results, model)]
    return Table(CLASSES, "Means over the test cases, per class.", [*texts, *means, *pooled, *counts], rows)


def class_rows(results: RunResults, model: str) -> Iterator[Row]:
    """Every class of one model, keyed by the columns of ``classes_table``."""
    repeats = [unit.rows for unit in results.of_model(model) if unit.rows]
    means = aggregate(repeats)
    for name, scores in means.per_class.items():
        flags = [row.score.flag for rows in repeats for row in rows if row.score.class_name == name]
        lesions, absence = means.lesions.get(name), means.absence[name]
        yield {
            "model": model,
            "class": name,
            **scores,
            **{f"pooled_{metric}": value for metric, value in means.pooled[name].items()},
            "absent": absence.cases,
            "absence_specificity": absence.specificity,
            "undefined_dice": means.undefined[name]["dice"],
            "missed": flags.count("prediction-empty"),
            "invented": flags.count("reference-empty"),
            "not_predicted": flags.count("not-predicted"),
            "lesions_found": lesions.found if lesions else None,
            "lesions_missed": lesions.missed if lesions else None,
            "lesions_invented": lesions.invented if lesions else None,
        }


def pairs_table(comparisons: Mapping[str, Comparison]) -> Table:
    """One row per two models of a group and metric."""
    shown = ("metric", "first", "second", "difference", "cases", "p_holm", "significant")
    columns = [_GROUP, *_columns(Pair, shown, {"difference": ("low", "high")})]
    rows = [{"group": group, **asdict(pair)} for group, comparison in comparisons.items() for pair in comparison.pairs]
    caption = "Paired differences of means, Wilcoxon signed-rank tests with Holm's correction."
    return Table(PAIRS, caption, columns, rows)


def ranks_table(comparisons: Mapping[str, Comparison]) -> Table:
    """One row per model and metric; ``share_rank_n`` is the part of the bootstrap samples with rank n."""
    most = max((len(r.standings) for c in comparisons.values() for r in c.rankings.values()), default=0)
    shown = ("model", "mean", "rank", "mean_rank", "rank_by_mean_rank")
    columns = [
        *(_GROUP, Column("metric", str, "Metric", wording=HEADINGS)),
        *_columns(Standing, shown, {"mean": ("low", "high"), "rank": ("rank_low", "rank_high")}),
        *(Column(f"share_rank_{place}", float) for place in range(1, most + 1)),
    ]
    rows = [
        {"group": group, "metric": ranking.metric, **row}
        for group, comparison in comparisons.items()
        for ranking in comparison.rankings.values()
        for row in _rank_rows(ranking, most)
    ]
    caption = "Ranks by mean and by mean rank, with the middle 95% of the ranks over bootstrap samples."
    return Table(RANKS, caption, columns, rows)


def cases_table(results: RunResults, models: Sequence[str]) -> Table:
    """One row per model, case and class: every metric averaged over seeds and folds."""
    texts = [Column(key, str) for key in ("model", "case", "patient", "class")]
    rows = [row for model in models for row in _case_rows(results, model)]
    return Table(CASES, "", [*texts, *(Column(metric, float) for metric in METRICS)], rows)


def _rank_rows(ranking: Ranking, most: int) -> Iterator[Row]:
    for standing, shares in zip(ranking.standings, ranking.rank_shares, strict=True):
        padded = [*shares.tolist(), *[None] * (most - len(shares))]
        yield {**asdict(standing), **{f"share_rank_{place}": share for place, share in enumerate(padded, 1)}}


def _case_rows(results: RunResults, model: str) -> Iterator[Row]:
    repeats = [unit.rows for unit in results.of_model(model) if unit.rows]
    patients = {row.case: row.patient for rows in repeats for row in rows}
    scores = {metric: case_scores(repeats, metric) for metric in METRICS}
    classes = class_names(repeats)
    for i, case in enumerate(case_names(repeats)):
        for j, name in enumerate(classes):
            means = {metric: float(values[i, j]) for metric, values in scores.items()}
            yield {"model": model, "case": case, "patient": patients[case], "class": name, **means}


def _columns(noun: Any, shown: Sequence[str], intervals: Mapping[str, tuple[str, str]]) -> list[Column]:
    """The fields of a dataclass; people read only those that are shown."""
    hints = get_type_hints(noun)
    return [
        Column(
            field.name,
            _kind(hints[field.name]),
            HEADINGS[field.name] if field.name in shown else "",
            DIGITS.get(field.name, 4),
            intervals.get(field.name),
            HEADINGS if field.name == "metric" else {},
        )
        for field in fields(noun)
    ]


def _kind(hint: Any) -> type:
    """``float`` of ``float | None``, ``str`` of a literal."""
    if get_origin(hint) is Literal:
        return str
    if isinstance(hint, types.UnionType):
        return next(part for part in get_args(hint) if part is not type(None))
    return hint
