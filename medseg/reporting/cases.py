"""Which test cases a report shows: each model's best, median and worst, and those that models disagree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from medseg.metrics.aggregate import case_names, case_scores, class_names, mean_of_defined
from medseg.reporting.results import UnitResult

MOST_DISAGREED = 3
# what a Dice of 0 comes from, where no overlap is to be seen in any slice
REMARKS = {"reference-empty": "invented", "prediction-empty": "missed", "not-predicted": "not predicted"}


@dataclass(frozen=True)
class ShownCase:
    """One case of one training.

    Attributes:
        place: ``best``, ``median``, ``worst``, ``only``, or ``disagreed``.
        dice: mean over classes; ``dice_per_class`` leaves out the undefined ones.
        remarks: class name to why its Dice is 0, where a mask is empty.
    """

    unit: UnitResult
    place: str
    case: str
    dice: float
    dice_per_class: dict[str, float]
    remarks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Disagreement:
    """A case that models score unlike each other.

    Attributes:
        spread: standard deviation of Dice over the models.
        entries: the case of every model that has a Dice for it.
    """

    case: str
    spread: float
    entries: list[ShownCase]


def chosen_cases(unit: UnitResult) -> list[ShownCase]:
    """The best, median and worst case by mean Dice over classes; fewer where there are fewer cases."""
    scored = _scored_cases(unit)
    ranked = sorted(scored, key=lambda case: (-scored[case].dice, case))
    places = {0: [], 1: ["only"], 2: ["best", "worst"]}.get(len(ranked), ["best", "median", "worst"])
    picks = {"only": 0, "best": 0, "median": len(ranked) // 2, "worst": -1}
    return [replace(scored[ranked[picks[place]]], place=place) for place in places]


def most_disagreed(units: Sequence[UnitResult]) -> list[Disagreement]:
    """The three cases with the largest spread over models; fewer where they agree."""
    scored = [_scored_cases(unit) for unit in units]
    cases = sorted({case for entries in scored for case in entries})
    found = [_disagreement(case, [entries[case] for entries in scored if case in entries]) for case in cases]
    ranked = sorted(found, key=lambda disagreement: (-disagreement.spread, disagreement.case))
    return [disagreement for disagreement in ranked if disagreement.spread > 0][:MOST_DISAGREED]


def _disagreement(case: str, entries: list[ShownCase]) -> Disagreement:
    return Disagreement(case, float(np.std([entry.dice for entry in entries])), entries)


def _scored_cases(unit: UnitResult) -> dict[str, ShownCase]:
    """Every case with a defined Dice."""
    names, classes = case_names([unit.rows]), class_names([unit.rows])
    dice = case_scores([unit.rows], "dice")
    means = mean_of_defined(dice, axis=1)
    remarks: dict[str, dict[str, str]] = {}
    for row in unit.rows:
        if remark := REMARKS.get(row.score.flag):
            remarks.setdefault(row.case, {})[row.score.class_name] = remark
    return {
        name: ShownCase(
            unit,
            "disagreed",
            name,
            float(means[index]),
            {label: float(value) for label, value in zip(classes, dice[index], strict=True) if not np.isnan(value)},
            remarks.get(name, {}),
        )
        for index, name in enumerate(names)
        if not np.isnan(means[index])
    }
