"""What a ranking means, in sentences made from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from medseg.metrics.ranking import Comparison, Pair, Ranking, Standing
from medseg.metrics.statistics import SIGNIFICANCE
from medseg.reporting.wording import decimal, headed, interval_text, joined, p_text

METRIC = "dice"  # by which models are ranked


def verdicts(comparisons: Mapping[str, Comparison]) -> list[tuple[str, list[str]]]:
    """Heading, empty where there is one comparison alone, and sentences."""
    return [(heading, sentences(comparison)) for heading, comparison in headed(comparisons)]


def sentences(comparison: Comparison) -> list[str]:
    """Who is first, how sure that is, and who else might be."""
    ranking = comparison.rankings.get(METRIC)
    if ranking is None:
        return ["No test case defines Dice, so there is no ranking."]
    first = ranking.standings[0]
    if len(ranking.standings) == 1:
        alone = f"{first.model} is the only model with a full result"
        return [f"{alone}: mean Dice {_mean(first)}. There is nothing to compare it with."]
    pairs = {frozenset((p.first, p.second)): p for p in comparison.pairs if p.metric == METRIC}
    leads = {other.model: pairs[frozenset((first.model, other.model))] for other in ranking.standings[1:]}
    return [_lead(ranking, leads), *_rest(ranking, leads), *_too_few(comparison, leads)]


def _lead(ranking: Ranking, leads: Mapping[str, Pair]) -> str:
    first = ranking.standings[0]
    equal = [standing.model for standing in ranking.standings if standing.rank == first.rank]
    if len(equal) > 1:
        return f"{joined(equal)} share the first place with mean Dice {_mean(first)}."
    second = ranking.standings[1]
    pair = leads[second.model]
    amount = f"{decimal(abs(pair.difference), _digits(pair))} Dice {_turned(pair, first.model)}".rstrip()
    p = f"p {p_text(pair.p_holm)}"
    opening = f"{first.model} is first with mean Dice {_mean(first)}"
    if pair.significant:
        lead = f"its lead over {second.model} is {amount}, significant after Holm correction ({p}){_despite(pair)}"
        return f"{opening}; {lead}{_seeds(pair)}."
    if pair.opposed and pair.p_holm < SIGNIFICANCE:
        return (
            f"{opening}, {amount} ahead of {second.model}, but {second.model} is better in most cases ({p} after Holm"
            f" correction): a few cases decide the means. Look at them before you choose{_seeds(pair)}."
        )
    return (
        f"{opening}, but it and {second.model} cannot be told apart: the difference is {amount}, {p} after Holm"
        f" correction{_seeds(pair)}."
    )


def _rest(ranking: Ranking, leads: Mapping[str, Pair]) -> list[str]:
    """The models from the third on, but those that share the first place."""
    first = ranking.standings[0]
    models = [standing.model for standing in ranking.standings[2:] if standing.rank != first.rank]
    equal = [model for model in models if not leads[model].significant]
    worse = [model for model in models if leads[model].significant]
    either = "" if leads[ranking.standings[1].model].significant else " either"
    found = [f"{joined(equal)} cannot be told apart from {first.model}{either}."] if equal else []
    if worse:
        found.append(f"{joined(worse)} {'is' if len(worse) == 1 else 'are'} significantly worse than {first.model}.")
    return found


def _too_few(comparison: Comparison, leads: Mapping[str, Pair]) -> list[str]:
    """Even if all cases point the same way, the test's smallest p is 2 / 2^cases, and Holm multiplies it."""
    cases = max(pair.cases for pair in leads.values())
    if len(comparison.pairs) * 2.0 ** (1 - cases) < SIGNIFICANCE:
        return []
    of_cases = "a single test case" if cases == 1 else f"{cases} test cases"
    of_pairs = f" and {len(comparison.pairs)} comparisons" if len(comparison.pairs) > 1 else ""
    return [f"With {of_cases}{of_pairs} no difference can be significant, however large it is."]


def _despite(pair: Pair) -> str:
    """The test asks how many cases lean to one side, the interval how large their mean is; they may disagree."""
    if not pair.low < 0 < pair.high:
        return ""
    return ", although the interval of the lead holds 0: most cases lean its way, and a few go far the other way"


def _seeds(pair: Pair) -> str:
    if math.isnan(pair.seed_spread):
        return "; without a second training of both, the spread between trainings is unknown"
    size = "larger" if abs(pair.difference) > pair.seed_spread else "no larger"
    return f"; the gap is {size} than the spread between trainings, {decimal(pair.seed_spread, _digits(pair))}"


def _mean(standing: Standing) -> str:
    return f"{decimal(standing.mean)} {interval_text(standing.low, standing.high)}".rstrip()


def _turned(pair: Pair, model: str) -> str:
    """The interval of what a model is ahead."""
    low, high = (pair.low, pair.high) if pair.first == model else (-pair.high, -pair.low)
    return interval_text(low, high, _digits(pair))


def _digits(pair: Pair) -> int:
    """A difference of a few thousandths needs one more."""
    return 3 if abs(pair.difference) >= 0.01 else 4
