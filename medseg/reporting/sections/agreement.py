"""How sure a ranking is: who is significantly better, which ranks the bootstrap gives, and what other rankings say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medseg.metrics.ranking import Comparison, Pair, Ranking
from medseg.metrics.statistics import SIGNIFICANCE
from medseg.reporting.documents import Picture, figure_picture
from medseg.reporting.figures.matrix import draw_matrix
from medseg.reporting.tables import HEADINGS
from medseg.reporting.wording import headed, p_text

LEVELS = ((0.001, 1.0, "***"), (0.01, 0.7, "**"), (SIGNIFICANCE, 0.4, "*"))  # p below, shade, sign
OPPOSED = "†"
SIGN_INCHES, SHARE_INCHES = 0.36, 0.44
SMALLEST_SHARE = 0.01  # that is written into its square


@dataclass(frozen=True)
class Agreement:
    """What one comparison's figures show.

    Attributes:
        heading: empty where the run has one comparison alone.
        significance, stability: metric's heading to its figure; no stability with a single patient.
        taus: rows of what is compared and Kendall's tau, NaN where undefined.
        pairs: in the comparison's order.
    """

    heading: str
    significance: dict[str, Picture]
    stability: dict[str, Picture]
    taus: list[tuple[str, float]]
    pairs: tuple[Pair, ...]


def agreements(comparisons: Mapping[str, Comparison]) -> list[Agreement]:
    """One per comparison of at least two models."""
    return [
        _agreement(heading, comparison)
        for heading, comparison in headed(comparisons)
        if any(len(ranking.standings) > 1 for ranking in comparison.rankings.values())
    ]


def _agreement(heading: str, comparison: Comparison) -> Agreement:
    rankings = {HEADINGS[metric]: ranking for metric, ranking in comparison.rankings.items()}
    return Agreement(
        heading,
        {name: _significance(name, ranking, comparison) for name, ranking in rankings.items()},
        {name: _stability(name, ranking) for name, ranking in rankings.items() if ranking.rank_shares.size},
        _taus(comparison),
        comparison.pairs,
    )


def _significance(name: str, ranking: Ranking, comparison: Comparison) -> Picture:
    """Rows are better than the columns in which they have a shade."""
    models = [standing.model for standing in ranking.standings]
    shades, texts = np.full((len(models), len(models)), math.nan), [[""] * len(models) for _ in models]
    found = []
    for pair in comparison.pairs:
        if pair.metric == ranking.metric:
            row, column = models.index(pair.first), models.index(pair.second)
            shades[row, column], texts[row][column] = _level(pair)
            if pair.significant:
                found.append(f"{pair.first} better than {pair.second} (p {p_text(pair.p_holm)})")
    figure = draw_matrix(shades, texts, models, models, "worse", "better", SIGN_INCHES)
    alt = f"Significant differences in {name}: {'; '.join(found) or 'none'}."
    return figure_picture(figure, alt)


def _level(pair: Pair) -> tuple[float, str]:
    if pair.opposed and pair.p_holm < SIGNIFICANCE:
        return 0.0, OPPOSED
    return next(((shade, sign) for below, shade, sign in LEVELS if pair.p_holm < below), (0.0, "n.s."))


def _stability(name: str, ranking: Ranking) -> Picture:
    shares = ranking.rank_shares
    texts = [[f"{100 * share:.0f}" if share >= SMALLEST_SHARE else "" for share in row] for row in shares]
    models = [standing.model for standing in ranking.standings]
    ranks = [str(rank) for rank in range(1, shares.shape[1] + 1)]
    figure = draw_matrix(shares, texts, models, ranks, "Rank", "", SHARE_INCHES)
    likeliest = "; ".join(
        f"{model} has rank {row.argmax() + 1} in {100 * row.max():.0f}%"
        for model, row in zip(models, shares, strict=True)
    )
    return figure_picture(figure, f"Ranks by {name} over bootstrap samples: {likeliest}.")


def _taus(comparison: Comparison) -> list[tuple[str, float]]:
    between = [
        (f"{HEADINGS[first]} and {HEADINGS[second]}", tau) for (first, second), tau in comparison.tau_metrics.items()
    ]
    methods = [
        (f"{HEADINGS[m]}: ranked by mean and by mean rank", r.tau_methods) for m, r in comparison.rankings.items()
    ]
    samples = [
        (f"{HEADINGS[m]}: this ranking and those of bootstrap samples, mean", r.tau_bootstrap)
        for m, r in comparison.rankings.items()
    ]
    return between + methods + samples
