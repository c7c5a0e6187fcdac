"""The tables of a report: models, their classes and lesions, pairs of them, their ranks and their cases."""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from medseg.metrics.aggregate import POOLED_METRICS, aggregate, case_names, case_scores, class_names
from medseg.metrics.case import METRICS
from medseg.metrics.lesions import Lesions
from medseg.metrics.ranking import Comparison, Pair, Ranking, Standing
from medseg.metrics.table import ScoreRow
from medseg.reporting.comparisons import PRETRAINED, SCRATCH
from medseg.reporting.leaderboard_row import LeaderboardRow
from medseg.reporting.results import RunResults
from medseg.reporting.table import Column, Table, Value
from medseg.reporting.tables import DIGITS, HEADINGS

LEADERBOARD, CLASSES, LESIONS, PAIRS, RANKS, CASES = "leaderboard", "classes", "lesions", "pairs", "ranks", "cases"

Row = dict[str, Value]

_PAPER = (
    *("rank", "model", "weights", "dice", "dice_spread", "iou", "hd95_mm", "assd_mm", "nsd"),
    *("seconds_per_case", "device_hours", "parameters_millions", "gmacs", "patch", "status"),
)
_GROUP = Column("group", str, "Trained from", wording={SCRATCH: "random weights", PRETRAINED: "pretrained weights"})
_OF_CLASS = (Column("model", str, "Model"), Column("class", str, "Class"))
_COUNTS = ("absent", "absence_specificity", "undefined_dice", "missed", "invented", "not_predicted")
_LESION_COUNTS = ("lesions_found", "lesions_missed", "lesions_invented")
_LESION_RATES = ("lesion_sensitivity", "lesion_precision", "lesion_f1")


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
    """One row per model and class; counts are over all cases and trainings of the model.

    Its columns of lesions are for programs: people read them in ``lesions_table``.
    """
    means = [
        Column(metric, float, HEADINGS[metric] if metric in _PAPER else "", DIGITS.get(metric, 4)) for metric in METRICS
    ]
    pooled = [Column(f"pooled_{m}", float, "Pooled Dice" if m == "dice" else "") for m in POOLED_METRICS]
    counts = [Column(key, float if key == "absence_specificity" else int, HEADINGS[key]) for key in _COUNTS]
    lesions = [*(Column(key, int) for key in _LESION_COUNTS), *(Column(key, float) for key in _LESION_RATES)]
    rows = [row for model in models for row in class_rows(results, model)]
    columns = [*_OF_CLASS, *means, *pooled, *counts, *lesions]
    return Table(CLASSES, "Means over the test cases, per class.", columns, rows)


def lesions_table(classes: Table) -> Table:
    """Those rows of ``classes_table`` whose lesions were counted."""
    columns = [
        *_OF_CLASS,
        *(Column(key, int, HEADINGS[key]) for key in _LESION_COUNTS),
        *(Column(key, float, HEADINGS[key]) for key in _LESION_RATES),
    ]
    rows = [row for row in classes.rows if row["lesions_found"] is not None]
    return Table(LESIONS, "Lesions of all test cases and trainings together, per class.", columns, rows)


def class_rows(results: RunResults, model: str) -> Iterator[Row]:
    """Every class of one model, keyed by the columns of ``classes_table``."""
    repeats = results.repeats(model)
    means, flags = aggregate(repeats), _flags(repeats)
    for name, scores in means.per_class.items():
        absence = means.absence[name]
        yield {
            "model": model,
            "class": name,
            **scores,
            **{f"pooled_{metric}": value for metric, value in means.pooled[name].items()},
            "absent": absence.cases,
            "absence_specificity": absence.specificity,
            "undefined_dice": means.undefined[name]["dice"],
            "missed": flags[name, "prediction-empty"],
            "invented": flags[name, "reference-empty"],
            "not_predicted": flags[name, "not-predicted"],
            **_lesion_cells(means.lesions.get(name)),
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


def _flags(repeats: Iterable[Sequence[ScoreRow]]) -> Counter[tuple[str, str]]:
    """How many cases of all trainings have each class and flag."""
    return Counter((row.score.class_name, row.score.flag) for rows in repeats for row in rows)


def _lesion_cells(lesions: Lesions | None) -> Row:
    if lesions is None:
        return dict.fromkeys((*_LESION_COUNTS, *_LESION_RATES))
    counts, rates = (lesions.found, lesions.missed, lesions.invented), (lesions.sensitivity, lesions.precision)
    return dict(zip((*_LESION_COUNTS, *_LESION_RATES), (*counts, *rates, lesions.f1), strict=True))


def _rank_rows(ranking: Ranking, most: int) -> Iterator[Row]:
    for standing, shares in zip(ranking.standings, ranking.rank_shares, strict=True):
        padded = [*shares.tolist(), *[None] * (most - len(shares))]
        yield {**asdict(standing), **{f"share_rank_{place}": share for place, share in enumerate(padded, 1)}}


def _case_rows(results: RunResults, model: str) -> Iterator[Row]:
    repeats = results.repeats(model)
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
