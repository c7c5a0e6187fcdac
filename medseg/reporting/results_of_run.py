"""What a run came to, put into the form of ``results.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from medseg import __version__
from medseg.metrics.aggregate import aggregate
from medseg.metrics.case import METRICS
from medseg.metrics.ranking import Comparison, Ranking
from medseg.reporting.facts import budget_facts
from medseg.reporting.leaderboard_row import LeaderboardRow
from medseg.reporting.results import RunResults, UnitResult
from medseg.reporting.results_file import (
    ChangeResult,
    CostResult,
    DataResult,
    ModelResult,
    PairResult,
    RankingResult,
    Results,
    StandingResult,
    TauResult,
    TrainingResult,
    TrendResult,
)
from medseg.reporting.score_tables import class_rows
from medseg.reporting.trend import Trend


def results_of_run(
    results: RunResults,
    rows: Sequence[LeaderboardRow],
    comparisons: Mapping[str, Comparison],
    trend: Trend | None,
    made: str,
) -> Results:
    """The whole file.

    Args:
        rows, comparisons, trend: of the same results.
        made: time stamp.
    """
    return Results(
        made=made,
        medseg=__version__,
        run_id=results.run_id,
        name=results.recipe.name if results.recipe else None,
        budget=dict(budget_facts(results)),
        environment=results.environment,
        data=_data(results),
        models=[_model(results, row) for row in rows],
        rankings=list(_rankings(comparisons)),
        pairs=[PairResult(group=group, **asdict(pair)) for group, c in comparisons.items() for pair in c.pairs],
        taus=[
            TauResult(group=group, first=first, second=second, tau=tau)
            for group, comparison in comparisons.items()
            for (first, second), tau in comparison.tau_metrics.items()
        ],
        trend=_trend(trend) if trend else None,
        faults=results.faults,
    )


def _model(results: RunResults, row: LeaderboardRow) -> ModelResult:
    values = {key: value for key, value in asdict(row).items() if key != "trainings"}  # how many shows in the list
    return ModelResult(
        **_named(values, ModelResult),
        group=row.group,
        scores={metric: values[metric] for metric in METRICS},
        cost=CostResult(**_named(values, CostResult)),
        classes=[
            {key: value for key, value in scores.items() if key != "model"} for scores in class_rows(results, row.model)
        ],
        trainings=[_training(unit) for unit in results.of_model(row.model)],
    )


def _data(results: RunResults) -> DataResult:
    dataset = results.dataset
    return DataResult(
        name=dataset.name if dataset else None,
        version=dataset.version if dataset else None,
        modality=dataset.modality if dataset else None,
        dimensions=dataset.dimensions if dataset else None,
        classes=list(dataset.foreground) if dataset else [],
        cases=len(results.cases),
        patients=len({case.patient for case in results.cases}),
        test_cases=results.splits.test if results.splits else [],
    )


def _training(unit: UnitResult) -> TrainingResult:
    summary = unit.summary if unit.rows else None
    return TrainingResult(
        seed=unit.seed,
        fold=unit.fold,
        status=unit.state,
        reason=unit.reason,
        scores=aggregate([unit.rows]).scores if unit.rows else {},
        confusion=summary.confusion if summary else None,
        calibration=summary.calibration if summary else None,
    )


def _rankings(comparisons: Mapping[str, Comparison]) -> Iterator[RankingResult]:
    for group, comparison in comparisons.items():
        for ranking in comparison.rankings.values():
            yield RankingResult(
                group=group,
                metric=ranking.metric,
                standings=_standings(ranking),
                tau_bootstrap=ranking.tau_bootstrap,
                tau_methods=ranking.tau_methods,
            )


def _standings(ranking: Ranking) -> list[StandingResult]:
    return [
        StandingResult(**asdict(standing), rank_shares=shares.tolist())
        for standing, shares in zip(ranking.standings, ranking.rank_shares, strict=True)
    ]


def _trend(trend: Trend) -> TrendResult:
    return TrendResult(
        changes=[ChangeResult(**asdict(change)) for change in trend.changes],
    )


def _named(values: Mapping[str, Any], part: type[BaseModel]) -> dict[str, Any]:
    """Those of a row's values that have a field of their own."""
    return {key: value for key, value in values.items() if key in part.model_fields}
