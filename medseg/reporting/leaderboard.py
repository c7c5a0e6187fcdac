"""The ranking: one row per model, best mean Dice first, models without a full result last."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medseg.metrics.aggregate import or_none
from medseg.metrics.comparing import pareto_front
from medseg.metrics.ranking import Comparison, Standing
from medseg.reporting.comparisons import PRETRAINED, SCRATCH
from medseg.reporting.leaderboard_row import LeaderboardRow, row_of_model
from medseg.reporting.results import RunResults

COSTS = ("seconds_per_case", "device_hours")  # against which models are efficient or not


def rank_models(results: RunResults, comparisons: Mapping[str, Comparison]) -> list[LeaderboardRow]:
    """Ranked by mean Dice, equal values share the better rank; then the unranked, both also by name.

    Args:
        comparisons: of the same results, which hold the ranks: models that started from random weights and from
            pretrained ones have their own.
    """
    standings = _standings(comparisons)
    rows = [row_of_model(results, model) for model in results.models]
    ranked = [_placed(row, standings[row.model]) for row in rows if row.model in standings]
    front = set().union(*(efficient_models(group, cost) for group in ranked_groups(ranked).values() for cost in COSTS))
    unranked = [_explained(row) for row in rows if row.model not in standings]
    by_status = {"succeeded": 0, "incomplete": 1, "failed": 2}
    return [
        replace(row, pareto=row.model in front)
        for row in sorted(ranked, key=lambda row: (row.group == PRETRAINED, row.rank or 0, row.model))
    ] + sorted(unranked, key=lambda row: (by_status[row.status], row.model))


def ranked_groups(rows: Iterable[LeaderboardRow]) -> dict[str, list[LeaderboardRow]]:
    """The models that have a rank, by those that they may be compared with; a group without models is left out."""
    groups: dict[str, list[LeaderboardRow]] = {SCRATCH: [], PRETRAINED: []}
    for row in rows:
        if row.rank is not None and row.group:
            groups[row.group].append(row)
    return {group: members for group, members in groups.items() if members}


def efficient_models(rows: Sequence[LeaderboardRow], cost: str) -> set[str]:
    """Models on the Pareto front of mean Dice against a column where less is better."""
    front = pareto_front(_values(rows, "dice"), _values(rows, cost))
    return {row.model for row, efficient in zip(rows, front, strict=True) if efficient}


def _values(rows: Sequence[LeaderboardRow], column: str) -> NDArray[np.float64]:
    values = [getattr(row, column) for row in rows]
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _standings(comparisons: Mapping[str, Comparison]) -> dict[str, Standing]:
    """Of every compared model that has a mean Dice."""
    rankings = [comparison.rankings.get("dice") for comparison in comparisons.values()]
    standings = [standing for ranking in rankings if ranking for standing in ranking.standings]
    return {standing.model: standing for standing in standings if not math.isnan(standing.mean)}


def _placed(row: LeaderboardRow, standing: Standing) -> LeaderboardRow:
    return replace(
        row,
        rank=standing.rank,
        dice_low=or_none(standing.low),
        dice_high=or_none(standing.high),
        rank_low=standing.rank_low,
        rank_high=standing.rank_high,
        mean_rank=or_none(standing.mean_rank),
    )


def _explained(row: LeaderboardRow) -> LeaderboardRow:
    """A model with all its results has no rank where nothing defines its Dice, or no class that the others have too."""
    if row.reason:
        return row
    if row.dice is None:
        return replace(row, reason="no test case defines its Dice: its classes are in no reference and no prediction")
    return replace(row, reason="no test case defines its Dice in the classes that it has in common with other models")
