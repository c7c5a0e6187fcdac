"""Whether what the trainings of a run left can be put together: scores of the same cases, figures of the same shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from medseg import artifacts
from medseg.artifacts import Summary
from medseg.metrics.table import ScoreRow
from medseg.reporting.results import UnitResult

Edges = list[tuple[float, float]]


def with_whole_scores(unit: UnitResult, cases: Collection[str], classes: Collection[str]) -> UnitResult:
    """The training itself where it has one score per case and class; else without scores, for they are incomparable."""
    fault = rows_fault(unit.rows, cases, classes) if unit.state == "succeeded" else ""
    if not fault:
        return unit
    reason = f"{unit.uri}/{artifacts.METRICS_FILE}: {fault}; run evaluate again"
    return replace(unit, state="incomplete", reason=reason, rows=[])


def rows_fault(rows: Iterable[ScoreRow], cases: Collection[str], classes: Collection[str]) -> str:
    """Why rows are not one for each case and class; empty where they are."""
    found = Counter((row.case, row.score.class_name) for row in rows)
    expected = set(product(cases, classes))
    kinds = {
        "missing": expected - found.keys(),
        "unknown": found.keys() - expected,
        "doubled": {place for place, times in found.items() if times > 1},
    }
    faults = [
        f"{len(places)} {kind} (first {', '.join(map(repr, min(places)))})" for kind, places in kinds.items() if places
    ]
    rule = f"must hold one row for each of {len(cases)} test cases and {len(classes)} classes"
    return f"{rule}; {', '.join(faults)}" if faults else ""


def odd_figures(units: Sequence[UnitResult], classes: Collection[str]) -> Iterator[str]:
    """What is left out: confusion matrices of other classes than the data set's, bins unlike a model's first ones.

    Args:
        units: those with scores.
        classes: with background; empty where they are not known.
    """
    edges: dict[str, Edges] = {}
    for unit in units:
        if summary := unit.summary:
            uri, counts, own = f"{unit.uri}/{artifacts.SUMMARY_FILE}", summary.confusion, bin_edges(summary)
            if counts and classes and len(counts) != len(classes):
                yield f"{uri}: confusion has {len(counts)} classes, the data set {len(classes)}; it is left out"
            if own and own != edges.setdefault(unit.model, own):
                yield f"{uri}: calibration has other bins than that of {unit.model}'s first training; it is left out"


def bin_edges(summary: Summary) -> Edges:
    """Of its calibration, lowest first; empty where there is none."""
    return [(one.low, one.high) for one in summary.calibration or ()]
