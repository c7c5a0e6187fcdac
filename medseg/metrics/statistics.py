"""The tests and resamplings that a ranking rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

RESAMPLES = 2000
RANDOM_SEED = 0  # equal scores give an equal report
CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
ENUMERATED_CASES = 13  # up to here every way in which signs can fall is looked at, which allows for ties
EXACT_CASES = 50  # up to here scipy has the exact distribution of the statistic without ties
TIE_DIGITS = 9  # values that agree this far are equal: the rest is rounding of sums


def wilcoxon_p(differences: ArrayLike) -> float:
    """Two-sided paired Wilcoxon signed-rank test; Wilcoxon 1945.

    Exact for up to 50 cases without ties and for up to 13 with them, else by the normal approximation, as in scipy.
    Where all differences have one sign, ties change nothing: the exact value, 2 / 2^cases, is taken for up to 50 cases.

    Args:
        differences: (cases,) NaN and equal cases are left out.

    Returns:
        1.0 where nothing differs.
    """
    values = _that_differ(differences)
    if not values.size:
        return 1.0
    if values.size <= ENUMERATED_CASES:
        return _enumerated_p(values)
    one_sided = bool((values > 0).all() or (values < 0).all())
    method = "exact" if one_sided and values.size <= EXACT_CASES else "auto"
    return float(stats.wilcoxon(values, method=method).pvalue)


def signed_rank_lean(differences: ArrayLike) -> int:
    """To which side the same test leans: 1 where positive ranks weigh more, -1 where negative ones do, else 0.

    It need not be the side of the mean: one lost case may outweigh many small gains there, and does not here.
    """
    values = _that_differ(differences)
    return int(np.sign(np.sign(values) @ stats.rankdata(np.abs(values))))


def _that_differ(differences: ArrayLike) -> NDArray[np.float64]:
    values = np.round(np.asarray(differences, dtype=np.float64), TIE_DIGITS)
    return values[~np.isnan(values) & (values != 0)]


def _enumerated_p(values: NDArray[np.float64]) -> float:
    """The exact value, with ties too: scipy's, which takes 10 ms and is asked for every pair of models."""
    ranks = stats.rankdata(np.abs(values))
    sums = _all_signs(values.size) @ ranks  # positive minus negative ranks, for every way in which signs can fall
    return float(np.mean(np.abs(sums) >= abs(np.sign(values) @ ranks)))


@cache
def _all_signs(count: int) -> NDArray[np.int8]:
    """(2^count, count) of 1 and -1."""
    return 2 * (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(np.int8) - 1


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction for testing several hypotheses at once; Holm 1979."""
    return [float(p) for p in multipletests(p_values, method="holm")[1]] if p_values else []


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's tau-b of two rankings of the same models: 1 for the same order, -1 for the opposite one.

    NaN for fewer than two models, and where one of the rankings puts all models on one rank.
    """
    first, second = np.asarray(first), np.asarray(second)
    return float(stats.kendalltau(first, second).statistic) if first.size > 1 else math.nan


def bootstrap_means(values: NDArray[np.float64], patients: Sequence[str]) -> NDArray[np.float64]:
    """Means over cases in samples of the patients drawn with replacement; Efron 1979.

    All trainings see the same samples, so that differences and ranks can be taken in each of them.

    Args:
        values: (trainings, cases, classes), NaN where undefined.
        patients: of every case; a patient's cases are drawn together.

    Returns:
        (trainings, classes, 2000); (trainings, classes, 0) with fewer than two patients, who leave nothing to draw.
    """
    names, owners = np.unique(np.asarray(list(patients)), return_inverse=True)
    count = len(names)
    if count < 2:
        return np.empty((len(values), values.shape[2], 0))
    # drawing patients with replacement is a multinomial draw of how often each of them appears
    times = np.random.default_rng(RANDOM_SEED).multinomial(count, np.full(count, 1 / count), RESAMPLES)[:, owners]
    defined = ~np.isnan(values)
    known = np.where(defined, values, 0.0)
    totals, counts = (np.tensordot(part, times, axes=(1, 1)) for part in (known, defined.astype(np.float64)))
    return np.where(counts > 0, totals / np.maximum(counts, 1), math.nan)


def interval(samples: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95% of bootstrap samples (percentile interval); NaN where there are none."""
    known = samples[~np.isnan(samples)]
    if not known.size:
        return math.nan, math.nan
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
