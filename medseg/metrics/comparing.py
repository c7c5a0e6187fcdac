"""Models are ranked on the same cases, and every two of them are tested against each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from medseg.metrics.aggregate import mean_of_defined, mean_over_cases_then_trainings
from medseg.metrics.ranking import CaseScores, Comparison, Pair, Ranking, Standing
from medseg.metrics.statistics import (
    SIGNIFICANCE,
    TIE_DIGITS,
    bootstrap_means,
    holm,
    interval,
    kendall_tau,
    signed_rank_lean,
    wilcoxon_p,
)


def compare(scores: Sequence[CaseScores]) -> Comparison:
    """Rank models by each of several metrics and test every pair of them.

    Args:
        scores: one entry per metric, all with the same models and cases; what no case defines is left out.
    """
    defined = [metric for metric in scores if not all(np.isnan(values).all() for values in metric.values)]
    samples = {metric.metric: _samples(metric) for metric in defined}
    rankings = {metric.metric: rank(metric, samples[metric.metric]) for metric in defined}
    pairs = [pair for metric in defined for pair in _pairs(metric, rankings[metric.metric], samples[metric.metric])]
    corrected = holm([pair.p for pair in pairs])
    return Comparison(
        rankings=rankings,
        pairs=tuple(
            replace(pair, p_holm=p, significant=p < SIGNIFICANCE and not pair.opposed)
            for pair, p in zip(pairs, corrected, strict=True)
        ),
        tau_metrics={
            (first.metric, second.metric): kendall_tau(_ranks_of(first), _ranks_of(second))
            for first, second in combinations(rankings.values(), 2)
            if len(first.standings) > 1
        },
    )


def rank(scores: CaseScores, samples: NDArray[np.float64]) -> Ranking:
    """Models by their mean, best first; equal ones by name.

    Args:
        samples: (models, samples) bootstrap means of the same models.
    """
    means = _means(scores)
    ranks = competition_ranks(means, scores.best)
    sampled = competition_ranks(samples, scores.best)
    mean_ranks = _mean_ranks(scores)
    ranks_by_mean_rank = competition_ranks(mean_ranks, best=0.0)
    standings = []
    for i, model in enumerate(scores.models):
        low, high = interval(samples[i])
        rank_low, rank_high = _rank_interval(sampled[i])
        standings.append(
            Standing(
                model=model,
                mean=float(means[i]),
                low=low,
                high=high,
                rank=int(ranks[i]),
                rank_low=rank_low,
                rank_high=rank_high,
                mean_rank=float(mean_ranks[i]),
                rank_by_mean_rank=int(ranks_by_mean_rank[i]),
                seed_spread=scores.seed_spread[i],
            )
        )
    order = sorted(range(len(means)), key=lambda i: (ranks[i], scores.models[i]))
    return Ranking(
        metric=scores.metric,
        standings=tuple(standings[i] for i in order),
        rank_shares=_rank_shares(sampled)[order],
        tau_bootstrap=_mean_tau(ranks, sampled),
        tau_methods=kendall_tau(ranks, ranks_by_mean_rank),
    )


def competition_ranks(values: NDArray[np.float64], best: float) -> NDArray[np.int64]:
    """1 for the best along the first axis; equal values share the better rank, NaN comes last.

    Args:
        values: (models,) or (models, samples).
        best: 0 where small values are good, else large ones are.
    """
    costs = _costs(values, best)
    costs = np.where(np.isnan(costs), math.inf, costs)
    ranks: NDArray[np.int64] = (
        rankdata(costs, method="min", axis=0).astype(np.int64) if costs.size else costs.astype(int)
    )
    return ranks


def _costs(values: NDArray[np.float64], best: float) -> NDArray[np.float64]:
    """Less is better, whatever the metric; what is equal but for rounding is equal."""
    return np.round(values if best == 0 else -values, TIE_DIGITS)


def pareto_front(quality: NDArray[np.float64], cost: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(models,) whether no other model is at least as good and as cheap, and one of them strictly.

    Args:
        quality: more is better; cost: less is better. A model with NaN in either is on no front.
    """
    known = ~np.isnan(quality) & ~np.isnan(cost)
    no_worse = (quality[:, None] >= quality) & (cost[:, None] <= cost)
    better = no_worse & ((quality[:, None] > quality) | (cost[:, None] < cost))
    front: NDArray[np.bool_] = known & ~(better & known[:, None]).any(axis=0)
    return front


def compared_values(scores: CaseScores) -> NDArray[np.float64]:
    """(models, cases, classes) to hold models against each other case by case, averaged over trainings.

    A class that is not there has no score where a training rightly predicts nothing, and 0 or the image diagonal where
    it invents something. Leaving such cases out would spare the inventor, so the other one counts as perfect here.
    """
    somewhere = np.any([~np.isnan(values).all(axis=0) for values in scores.values], axis=0)
    filled = [np.where(np.isnan(values) & somewhere, scores.best, values) for values in scores.values]
    return np.stack([mean_of_defined(values, axis=0) for values in filled])


def _means(scores: CaseScores) -> NDArray[np.float64]:
    """(models,) over cases, then trainings, then classes."""
    return np.array([mean_of_defined(mean_over_cases_then_trainings(values), axis=0) for values in scores.values])


def _samples(scores: CaseScores) -> NDArray[np.float64]:
    """(models, samples) of the same means in bootstrap samples, the same ones for all models."""
    drawn = bootstrap_means(np.concatenate(scores.values), scores.patients)
    ends = np.cumsum([len(values) for values in scores.values])
    of_models = np.split(drawn, ends[:-1])
    return np.stack([mean_of_defined(mean_of_defined(part, axis=0), axis=0) for part in of_models])


def _mean_ranks(scores: CaseScores) -> NDArray[np.float64]:
    """(models,) mean of the ranks over cases, then classes; equal values share the mean of their ranks."""
    values = compared_values(scores)
    costs = _costs(values, scores.best)
    ranks = np.where(np.isnan(values), math.nan, rankdata(np.where(np.isnan(costs), 0.0, costs), axis=0))
    return mean_of_defined(mean_of_defined(ranks, axis=1), axis=1)


def _rank_interval(sampled: NDArray[np.int64]) -> tuple[int, int] | tuple[None, None]:
    if not sampled.size:
        return None, None
    low, high = interval(sampled.astype(np.float64))
    return math.floor(low), math.ceil(high)


def _rank_shares(sampled: NDArray[np.int64]) -> NDArray[np.float64]:
    """(models, samples) ranks to (models, ranks) shares; (models, 0) without samples."""
    if not sampled.size:
        return np.empty((len(sampled), 0))
    places = np.arange(1, len(sampled) + 1)
    shares: NDArray[np.float64] = (sampled[:, :, None] == places).mean(axis=1)
    return shares


def _pairs(scores: CaseScores, ranking: Ranking, samples: NDArray[np.float64]) -> list[Pair]:
    per_case = mean_of_defined(compared_values(scores), axis=2)
    places = {model: place for place, model in enumerate(scores.models)}
    pairs = []
    for first, second in combinations(ranking.standings, 2):
        i, j = places[first.model], places[second.model]
        low, high = interval(samples[i] - samples[j])
        differences = per_case[i] - per_case[j]
        pairs.append(
            Pair(
                metric=scores.metric,
                first=first.model,
                second=second.model,
                difference=first.mean - second.mean,
                low=low,
                high=high,
                seed_spread=math.hypot(first.seed_spread, second.seed_spread),
                cases=int((~np.isnan(differences)).sum()),
                p=wilcoxon_p(differences),
                p_holm=math.nan,
                opposed=signed_rank_lean(differences if scores.best else -differences) < 0,
                significant=False,
            )
        )
    return pairs


def _ranks_of(ranking: Ranking) -> list[int]:
    """Ranks of the models by name, so that two rankings have one order."""
    return [standing.rank for standing in sorted(ranking.standings, key=lambda standing: standing.model)]


def _mean_tau(ranks: NDArray[np.int64], sampled: NDArray[np.int64]) -> float:
    """Mean Kendall's tau between a ranking and those of the samples, most of which are a few rankings over and over."""
    if not sampled.size:
        return math.nan
    unique, times = np.unique(sampled, axis=1, return_counts=True)
    taus = np.array([kendall_tau(ranks, one) for one in unique.T])
    known = ~np.isnan(taus)
    return float(np.average(taus[known], weights=times[known])) if known.any() else math.nan
