"""A model in two runs, with scores that are solvable on paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from medseg.reporting.changes import Change, changes, changes_table, describe_worse
from medseg.reporting.results import RunResults
from tests.reporting import unstored

LEVEL = np.linspace(0.7, 0.8, 20)


def run(run_id: str, version: str = "v1", **dice: Sequence[float]) -> RunResults:
    units = [unstored.scored(model, values) for model, values in dice.items()]
    return unstored.run(*units, run_id=run_id, version=version)


def only_change(before: Sequence[float], now: Sequence[float], version: str = "v1") -> Change:
    (change,) = changes({"unet": run("one", unet=before)}, run("two", version, unet=now))
    return change


def test_one_lost_case_of_twenty_makes_no_better_model_worse() -> None:
    now = LEVEL + np.linspace(0.01, 0.02, 20)
    now[7] = 0.0
    change = only_change(LEVEL, now)
    assert change.now is not None
    assert change.before is not None
    assert change.p_holm is not None
    assert change.now < change.before
    assert change.p_holm < 0.05
    assert (change.worse, change.better, change.verdict) == (False, False, "cases and means disagree")


@pytest.mark.parametrize(("step", "verdict"), [(0.01, "better"), (-0.01, "worse"), (0.0, "no significant change")])
def test_a_change_of_every_case_has_its_verdict_and_interval(step: float, verdict: str) -> None:
    change = only_change(LEVEL, LEVEL + step)
    assert (change.verdict, change.worse, change.better) == (verdict, verdict == "worse", verdict == "better")
    assert (change.low, change.high, change.difference) == pytest.approx((step, step, step))
    assert (change.run_id, change.started, change.cases) == ("one", "2026-01-01", 20)


def test_holm_counts_every_model_that_was_tested() -> None:
    six = LEVEL[:6]
    alone, *_ = changes({"unet": run("one", unet=six)}, run("two", unet=six - 0.1))
    assert (alone.p_holm, alone.worse) == (2 / 2**6, True)
    earlier = run("one", unet=six, fpn=six)
    among, _, new = changes(
        {"unet": earlier, "fpn": earlier, "new": None}, run("two", unet=six - 0.1, fpn=six, new=six)
    )
    assert (among.p_holm, among.worse) == (4 / 2**6, False)
    assert new == Change("new", note="no earlier run has scores of it")


def test_another_version_of_the_data_set_is_compared_and_named() -> None:
    change = only_change(LEVEL, LEVEL - 0.01, version="v2")
    assert change.worse
    assert change.verdict == "worse; another version of the data set: v1 before, v2 now"
    assert describe_worse(change).endswith(
        "trainings unknown, with one training; another version of the data set: v1 before, v2 now)"
    )


def test_the_table_names_the_earlier_runs_where_they_differ() -> None:
    one, two = run("one", unet=LEVEL), run("two", fpn=LEVEL)
    later = run("three", unet=LEVEL - 0.01, fpn=LEVEL)
    assert "one" not in changes_table(changes({"unet": one}, later), "").markdown()
    table = changes_table(changes({"unet": one, "fpn": two}, later), "").printed()
    assert table[0][:2] == ["Model", "Against run"]
    assert [line[:2] for line in table[1:]] == [["unet", "one"], ["fpn", "two"]]
    assert table[1][4] == "-0.0100 (-0.0100 to -0.0100)"
