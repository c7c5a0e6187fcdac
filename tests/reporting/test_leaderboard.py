"""Who is ranked with whom, who is efficient, and why a model has no rank."""

from __future__ import annotations

import math

import pytest

from medseg.config import Recipe, validate
from medseg.metrics.lesions import Lesions
from medseg.reporting.comparisons import comparisons
from medseg.reporting.leaderboard import rank_models
from medseg.reporting.leaderboard_row import LeaderboardRow
from medseg.reporting.results import RunResults
from medseg.reporting.score_tables import classes_table, lesions_table
from medseg.reporting.sections.costs import pareto_pictures
from tests.reporting.unstored import failed, run, scored

HUB = "smp-hub/x"


def ranked(results: RunResults) -> dict[str, LeaderboardRow]:
    return {row.model: row for row in rank_models(results, comparisons(results))}


def recipe(*models: object) -> Recipe:
    return validate(Recipe, {"name": "demo", "dataset": {"name": "organs"}, "models": list(models)}, "recipe.yaml")


def test_a_pretrained_model_takes_no_one_else_off_the_front() -> None:
    rows = ranked(run(scored("unet", [0.5]), scored("fpn", [0.4]), scored("tuned", [0.9], weights=HUB)))
    assert {model: (row.rank, row.pareto, row.group) for model, row in rows.items()} == {
        "unet": (1, True, "scratch"),
        "fpn": (2, False, "scratch"),
        "tuned": (1, True, "pretrained"),
    }


def test_every_group_has_figures_of_its_own_and_a_cost_of_nothing_counts() -> None:
    free = scored("unet", [0.5], seconds_per_case=0.0), scored("fpn", [0.4], seconds_per_case=100.0)
    pictures = pareto_pictures(list(ranked(run(*free)).values()))
    assert list(pictures) == [""]
    assert "unet 0.500 at 0 (efficient); fpn 0.400 at 100." in pictures[""][0].alt
    tuned = scored("a", [0.9], weights=HUB), scored("b", [0.8], weights=HUB)
    pictures = pareto_pictures(list(ranked(run(*free, *tuned)).values()))
    assert list(pictures) == ["Trained from scratch", "From pretrained weights"]
    assert "unet" not in pictures["From pretrained weights"][0].alt


@pytest.mark.parametrize(
    ("entry", "weights", "group"),
    [("unet", "none", "scratch"), ({"model": "unet", "set": {"weights": HUB}}, HUB, "pretrained")],
)
def test_a_failed_model_belongs_where_the_recipe_puts_it(entry: object, weights: str, group: str) -> None:
    row = ranked(run(failed("unet"), recipe=recipe(entry)))["unet"]
    assert (row.weights, row.group, row.reason) == (weights, group, "out of memory")


def test_a_failed_model_that_no_recipe_explains_belongs_nowhere() -> None:
    rows = ranked(run(failed("unet"), failed("of-another-version"), recipe=recipe("of-another-version")))
    assert [(row.weights, row.group) for row in rows.values()] == [("", None), ("", None)]


def test_a_model_whose_dice_nothing_defines_says_so() -> None:
    rows = ranked(run(scored("unet", [0.5]), scored("fpn", [math.nan])))
    assert rows["unet"].rank == 1
    assert (rows["fpn"].rank, rows["fpn"].status) == (None, "succeeded")
    assert rows["fpn"].reason.startswith("no test case defines its Dice: ")


def test_models_without_a_common_class_say_so() -> None:
    rows = ranked(run(scored("unet", [0.5]), scored("fpn", [0.4], class_name="spleen")))
    assert {row.rank for row in rows.values()} == {None}
    assert all("in common with other models" in row.reason for row in rows.values())


def test_the_patch_stands_beside_the_multiply_adds_of_one() -> None:
    rows = ranked(run(scored("unet", [0.5], patch=(96, 64), multiply_adds=10**9), scored("fpn", [0.5])))
    assert [(row.gmacs, row.patch) for row in (rows["unet"], rows["fpn"])] == [(1.0, "96 x 64"), (None, None)]


def test_lesions_of_all_cases_have_their_rates() -> None:
    two_cases = scored("unet", [0.5, 0.5], lesions=Lesions(found=1, missed=2, invented=0))
    classes = classes_table(run(two_cases, scored("fpn", [0.5])), ["unet", "fpn"])
    assert not {"Found", "F1"} & set(classes.printed()[0])
    lesions = lesions_table(classes).printed()
    assert lesions[0] == ["Model", "Class", "Found", "Missed", "Invented", "Sensitivity", "Precision", "F1"]
    assert lesions[1:] == [["unet", "liver", "2", "4", "0", "0.3333", "1.0000", "0.5000"]]
    assert (classes.rows[0]["lesion_f1"], classes.rows[1]["lesion_f1"]) == (0.5, None)
