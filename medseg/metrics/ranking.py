"""Who is better, by how much, and how sure that is: the nouns of a ranking.

Vocabulary of challengeR (Wiesenfarth 2021): aggregate then rank, rank then aggregate, rank stability by bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CaseScores:
    """One metric of several models over the same cases.

    Attributes:
        values: of every model (trainings, cases, classes), NaN where undefined.
        patients: of every case, to resample by patient.
        best: value of a perfect prediction: 0 for distances, 1 for ratios.
        seed_spread: per model, the standard deviation of its mean between trainings; NaN for a single one.
    """

    metric: str
    models: tuple[str, ...]
    cases: tuple[str, ...]
    patients: tuple[str, ...]
    classes: tuple[str, ...]
    values: tuple[NDArray[np.float64], ...]
    best: float
    seed_spread: tuple[float, ...]


@dataclass(frozen=True)
class Standing:
    """One model by one metric.

    Attributes:
        mean: over cases, then trainings, then classes; NaN where undefined.
        low, high: 95% bootstrap interval of the mean over patients; NaN with fewer than two patients.
        rank: by the mean (aggregate then rank); equal means share the better rank.
        rank_low, rank_high: the 2.5 and 97.5 percentiles of the rank over bootstrap samples; None with fewer than two
            patients.
        mean_rank: of its ranks in every case and class (rank then aggregate).
        rank_by_mean_rank: by ``mean_rank``.
        seed_spread: as in ``CaseScores``.
    """

    model: str
    mean: float
    low: float
    high: float
    rank: int
    rank_low: int | None
    rank_high: int | None
    mean_rank: float
    rank_by_mean_rank: int
    seed_spread: float


@dataclass(frozen=True)
class Ranking:
    """All models by one metric.

    Attributes:
        standings: best rank first.
        rank_shares: (models in the order of ``standings``, ranks from 1): part of the bootstrap samples in which the
            model has the rank; (models, 0) with fewer than two patients.
        tau_bootstrap: mean Kendall's tau between this ranking and those of bootstrap samples; NaN for one model.
        tau_methods: Kendall's tau between aggregate-then-rank and rank-then-aggregate; NaN for one model.
    """

    metric: str
    standings: tuple[Standing, ...]
    rank_shares: NDArray[np.float64]
    tau_bootstrap: float
    tau_methods: float


@dataclass(frozen=True)
class Pair:
    """Two models by one metric on the cases that define it for either of them.

    Attributes:
        first, second: the better one by its mean comes first.
        difference: mean of ``first`` minus mean of ``second``.
        low, high: 95% bootstrap interval of the difference over patients; NaN with fewer than two patients.
        seed_spread: standard deviation of the difference that the seeds alone make; NaN where a model has one training.
        cases: that the test compares.
        p: paired Wilcoxon signed-rank test over cases, two-sided; 1 where all cases are equal.
        p_holm: corrected over all pairs and metrics of the comparison.
        opposed: the test leans towards ``second``, which is better in most cases though not in the mean.
        significant: ``p_holm`` is below 0.05, and the cases say the same as the means.
    """

    metric: str
    first: str
    second: str
    difference: float
    low: float
    high: float
    seed_spread: float
    cases: int
    p: float
    p_holm: float
    opposed: bool
    significant: bool


@dataclass(frozen=True)
class Comparison:
    """Models that may be compared with each other, such as all that were trained from scratch.

    Attributes:
        rankings: metric to its ranking; metrics that no case defines are left out.
        pairs: every pair of models by every one of these metrics.
        tau_metrics: two metrics to Kendall's tau between their rankings; empty for one model.
    """

    rankings: dict[str, Ranking]
    pairs: tuple[Pair, ...]
    tau_metrics: dict[tuple[str, str], float]
