"""The report as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jinja2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from medseg import __version__
from medseg.metrics.aggregate import aggregate, case_scores, class_names, mean_of_defined
from medseg.metrics.case import METRICS
from medseg.reporting.facts import budget_facts, data_facts, flattened
from medseg.reporting.gallery import GalleryCase, gallery
from medseg.reporting.leaderboard import LeaderboardRow
from medseg.reporting.overlays import class_colour
from medseg.reporting.plots import Curve, boxes_svg, curves_svg
from medseg.reporting.results import RunResults
from medseg.reporting.tables import DIGITS, HEADINGS, NO_RESULTS, cell, number

MOST_CLASS_BOXES = 8  # with more classes the page shows the box plot of their mean alone


@dataclass(frozen=True)
class Picture:
    """An embedded picture: its data URI and the text that stands for it where it cannot be seen."""

    source: str
    alt: str


def template_environment(**options: Any) -> jinja2.Environment:
    """How pages are made of templates: everything is escaped, and a missing value is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("medseg.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        **options,
    )


def render(results: RunResults, rows: Sequence[LeaderboardRow]) -> str:
    """The whole page; only the line of the time stamp differs between two calls with equal results.

    Args:
        rows: the leaderboard of the same results.
    """
    environment = template_environment()
    environment.globals = {"headings": HEADINGS, "digits": DIGITS, "metrics": METRICS, "cell": cell, "number": number}
    models = [row.model for row in rows]
    scored = [model for model in models if any(unit.rows for unit in results.of_model(model))]
    return environment.get_template("report.html").render(
        title=results.recipe.name if results.recipe else results.run_uri.rstrip("/").rsplit("/", 1)[-1],
        run_id=results.run_uri.rstrip("/").rsplit("/", 1)[-1],
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        rows=rows,
        no_results="" if scored else _no_results(results),
        faults=results.faults,
        data_facts=data_facts(results),
        budget_facts=budget_facts(results),
        software_facts=flattened(results.environment),
        curves=list(_curves(results, models)),
        boxes=list(_boxes(results, scored)),
        class_rows=[row for model in scored for row in _class_rows(results, model)],
        gallery={
            model: [(entry, _overlay(entry)) for entry in cases] for model, cases in gallery(results, scored).items()
        },
        anatomical=bool(results.dataset and results.dataset.modality in ("ct", "mr")),
        class_swatches=_swatches(results),
    )


def _no_results(results: RunResults) -> str:
    return "No model of this run has scores yet: see the reasons below." if results.units else NO_RESULTS


def _curves(results: RunResults, models: Sequence[str]) -> Iterator[Picture]:
    """Training loss and validation Dice, where any training has come that far."""
    for attribute, label in (("train_loss", "Training loss"), ("validation_dice", "Validation Dice")):
        curves = []
        for unit in results.units:
            points = [(p.epoch, value) for p in unit.history if (value := getattr(p, attribute)) is not None]
            if points:
                curves.append(Curve(unit.model, *zip(*points, strict=True)))
        if curves:
            last = ", ".join(f"{curve.model} ends at {curve.y[-1]:.3f}" for curve in curves)
            yield Picture(_svg_source(curves_svg(curves, models, "Epoch", label)), f"{label} by epoch: {last}.")


def _boxes(results: RunResults, models: Sequence[str]) -> Iterator[Picture]:
    """Per-case Dice of every model: the mean over classes, then each class."""
    if not models:
        return
    repeats = {model: [unit.rows for unit in results.of_model(model) if unit.rows] for model in models}
    dice = {model: case_scores(rows, "dice") for model, rows in repeats.items()}
    classes = class_names(rows for model in models for rows in repeats[model])
    yield _box_picture(
        {m: mean_of_defined(d, axis=1) for m, d in dice.items()}, models, "Dice per case, mean over classes"
    )
    if 1 < len(classes) <= MOST_CLASS_BOXES:
        for name in classes:
            columns = {
                m: dice[m][:, class_names(repeats[m]).index(name)] for m in models if name in class_names(repeats[m])
            }
            yield _box_picture(columns, models, f"Dice per case, {name}")


def _box_picture(values: Mapping[str, NDArray[np.float64]], models: Sequence[str], label: str) -> Picture:
    medians = ", ".join(f"{m} {np.nanmedian(v):.3f}" for m, v in values.items() if not np.isnan(v).all())
    return Picture(_svg_source(boxes_svg(values, models, label)), f"{label}: medians {medians or 'undefined'}.")


def _class_rows(results: RunResults, model: str) -> Iterator[dict[str, Any]]:
    repeats = [unit.rows for unit in results.of_model(model) if unit.rows]
    means = aggregate(repeats)
    for name, scores in means.per_class.items():
        flags = [row.score.flag for rows in repeats for row in rows if row.score.class_name == name]
        yield {
            "model": model,
            "class": name,
            "scores": scores,
            "pooled_dice": means.pooled[name]["dice"],
            "absent": means.undefined[name]["dice"],
            "missed": flags.count("prediction-empty"),
            "invented": flags.count("reference-empty"),
            "not_predicted": flags.count("not-predicted"),
        }


def _overlay(entry: GalleryCase) -> Picture | None:
    if entry.picture is None:
        return None
    buffer = io.BytesIO()
    PIL.Image.fromarray(entry.picture).save(buffer, format="PNG", optimize=True)
    scores = ", ".join(f"{name} {dice:.3f}" for name, dice in entry.dice_per_class.items())
    alt = f"Slice of {entry.case} with reference outlines and the prediction of {entry.unit.model}; Dice: {scores}."
    return Picture("data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode(), alt)


def _swatches(results: RunResults) -> list[tuple[str, str]]:
    """Class name and CSS colour."""
    foreground = results.dataset.foreground if results.dataset else {}
    return [(name, "#{:02x}{:02x}{:02x}".format(*class_colour(value))) for name, value in foreground.items()]


def _svg_source(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
