"""The report as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medseg import __version__
from medseg.metrics.ranking import Comparison
from medseg.reporting.changes import changes_table, describe_worse
from medseg.reporting.documents import data_uri, template_environment
from medseg.reporting.facts import Facts, budget_facts, convention_facts, data_facts, flattened
from medseg.reporting.gallery import Gallery
from medseg.reporting.leaderboard_row import LeaderboardRow
from medseg.reporting.overlays import PICTURE_PIXELS, class_colour
from medseg.reporting.results import RunResults
from medseg.reporting.score_tables import classes_table, lesions_table
from medseg.reporting.sections.agreement import agreements
from medseg.reporting.sections.costs import pareto_pictures
from medseg.reporting.sections.scores import box_pictures, curve_pictures
from medseg.reporting.sections.standings import COLUMNS, FURTHER_COLUMNS, TEXT, heading, standing_groups
from medseg.reporting.sections.verdict import verdicts
from medseg.reporting.sections.voxels import calibration, confusions
from medseg.reporting.tables import HEADINGS, NO_RESULTS
from medseg.reporting.trend import Trend
from medseg.reporting.wording import decimal, interval_text, joined, p_text

MOST_PAIRS_OPEN = 12  # longer tables are folded
MOST_PAIRS_PRINTED = 60  # longer ones stay folded on paper
MOST_MATRICES_PRINTED = 8  # of more, paper shows the first


def render(
    results: RunResults,
    rows: Sequence[LeaderboardRow],
    comparisons: Mapping[str, Comparison],
    trend: Trend | None,
    gallery: Gallery,
    made: str,
) -> str:
    """The whole page; only the line of the time stamp differs between two calls with equal arguments.

    Args:
        rows, comparisons: leaderboard and comparisons of the same results.
        trend: against the run before; None where there is none.
        gallery: drawn cases of the same results.
        made: time stamp.
    """
    environment = template_environment()
    environment.globals |= {
        **{"headings": HEADINGS, "decimal": decimal, "p_text": p_text, "joined": joined},
        **{"interval": interval_text, "data_uri": data_uri, "side": PICTURE_PIXELS},
        **{
            "most_pairs_open": MOST_PAIRS_OPEN,
            "most_pairs_printed": MOST_PAIRS_PRINTED,
            "most_matrices_printed": MOST_MATRICES_PRINTED,
            "describe_worse": describe_worse,
        },
    }
    models = [row.model for row in rows]
    scored = [model for model in models if results.repeats(model)]
    classes = classes_table(results, scored)
    return environment.get_template("report.html").render(
        title=results.title,
        run_id=results.run_id,
        made=made,
        version=__version__,
        standings=standing_groups(rows, comparisons, COLUMNS),
        further=standing_groups(rows, comparisons, FURTHER_COLUMNS),
        model_count=len(rows),
        heading=heading,
        text_columns=TEXT,
        no_results="" if scored else _no_results(results),
        unranked=[row for row in rows if row.reason],
        faults=results.faults,
        verdicts=verdicts(comparisons),
        trend=trend,
        changes=changes_table(trend.changes if trend else (), ""),
        data_facts=data_facts(results),
        budget_facts=budget_facts(results),
        convention_facts=convention_facts(results),
        software_facts=_software(results.environment),
        curves=list(curve_pictures(results, models)),
        boxes=list(box_pictures(results, scored, models)) if scored else [],
        classes=classes,
        lesions=lesions_table(classes),
        confusions=confusions(results, scored),
        agreements=agreements(comparisons),
        pareto=pareto_pictures(rows),
        calibration=calibration(results, scored, models),
        gallery=gallery,
        volumes=any(one.frame and one.frame.depth > 1 for drawn in gallery.models.values() for one in drawn),
        repeated=[model for model in scored if len(results.of_model(model)) > 1],
        anatomical=bool(results.dataset and results.dataset.modality in ("ct", "mr")),
        class_swatches=_swatches(results),
    )


def _software(environment: Mapping[str, Any]) -> Facts:
    """What ran the models, packages by their own names."""
    packages = environment.get("packages")
    named = packages if isinstance(packages, Mapping) else {}
    return flattened({**{key: value for key, value in environment.items() if key != "packages"}, **named})


def _no_results(results: RunResults) -> str:
    return "No model of this run has scores yet: see the reasons below." if results.units else NO_RESULTS


def _swatches(results: RunResults) -> list[tuple[str, str]]:
    """Class name and CSS colour."""
    foreground = results.dataset.foreground if results.dataset else {}
    return [(name, "#{:02x}{:02x}{:02x}".format(*class_colour(value))) for name, value in foreground.items()]
