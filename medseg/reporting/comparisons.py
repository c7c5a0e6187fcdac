"""Which models of a run may be compared with each other, and how they compare."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from medseg.metrics.aggregate import case_names, class_names, mean_of_defined, training_scores
from medseg.metrics.case import BEST
from medseg.metrics.comparing import compare
from medseg.metrics.ranking import CaseScores, Comparison
from medseg.metrics.table import ScoreRow
from medseg.reporting.results import RunResults, UnitResult

COMPARED = ("dice", "nsd", "hd95_mm")  # the first one ranks the leaderboard
SCRATCH, PRETRAINED = "scratch", "pretrained"

Repeats = list[list[ScoreRow]]  # the rows of every training of one model


def comparisons(results: RunResults) -> dict[str, Comparison]:
    """Models trained from scratch and from pretrained weights apart; a group without models is left out.

    Only models all of whose trainings gave scores and that have a mean Dice take part, over the cases and classes that
    all of them have.
    """
    groups: dict[str, dict[str, Repeats]] = {SCRATCH: {}, PRETRAINED: {}}
    for model in results.models:
        units = results.of_model(model)
        if all(unit.state == "succeeded" for unit in units) and _has_dice(units):
            pretrained = any(unit.summary and unit.summary.weights for unit in units)
            groups[PRETRAINED if pretrained else SCRATCH][model] = [unit.rows for unit in units]
    return {group: compare(scores_of_models(models, COMPARED)) for group, models in groups.items() if models}


def _has_dice(units: Sequence[UnitResult]) -> bool:
    return any(not math.isnan(row.score.dice) for unit in units for row in unit.rows)


def scores_of_models(models: dict[str, Repeats], metrics: Sequence[str]) -> list[CaseScores]:
    """Every metric over the cases and classes that all of the models have."""
    cases = sorted(set.intersection(*(set(case_names(repeats)) for repeats in models.values())))
    classes = [
        name
        for name in class_names(rows for repeats in models.values() for rows in repeats)
        if all(name in class_names(repeats) for repeats in models.values())
    ]
    patients = {row.case: row.patient for repeats in models.values() for rows in repeats for row in rows}
    return [
        CaseScores(
            metric=metric,
            models=tuple(models),
            cases=tuple(cases),
            patients=tuple(patients[case] for case in cases),
            classes=tuple(classes),
            values=tuple(_values(repeats, metric, cases, classes) for repeats in models.values()),
            best=BEST[metric],
            seed_spread=tuple(seed_spread(repeats, metric) for repeats in models.values()),
        )
        for metric in metrics
    ]


def _values(repeats: Repeats, metric: str, cases: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    rows = {case: index for index, case in enumerate(case_names(repeats))}
    columns = class_names(repeats)
    values = training_scores(repeats, metric)[:, [rows[case] for case in cases]]
    return values[..., [columns.index(name) for name in classes]]


def seed_spread(repeats: Repeats, metric: str) -> float:
    """Standard deviation of the mean over cases, then classes, between trainings; NaN for fewer than two of them."""
    means = [mean_of_defined(mean_of_defined(values, axis=0), axis=0) for values in training_scores(repeats, metric)]
    known = [float(mean) for mean in means if not math.isnan(mean)]
    return statistics.stdev(known) if len(known) > 1 else math.nan
