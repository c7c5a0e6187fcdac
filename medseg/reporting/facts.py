"""The statement of data, budget and software that stands beside the scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medseg.artifacts import Plan, Splits
from medseg.config import Recipe
from medseg.errors import RecipeError
from medseg.models import registry
from medseg.reporting.results import RunResults

MODALITIES = {"ct": "CT", "mr": "MR", "xray": "X-ray"}  # the others are words

Facts = list[tuple[str, str]]  # name and value


def data_facts(results: RunResults) -> Facts:
    """Which data the models saw, as far as it is known."""
    facts: Facts = []
    if dataset := results.dataset:
        facts += [
            ("Data set", dataset.name),
            ("Version", dataset.version),
            ("Modality", f"{MODALITIES.get(dataset.modality, dataset.modality)}, {dataset.dimensions}D"),
            ("Classes", ", ".join(dataset.foreground)),
            ("Layout of the source", dataset.layout),
        ]
    if results.cases:
        patients = len({case.patient for case in results.cases})
        facts.append(("Cases", f"{len(results.cases)} of {patients} patients"))
    if splits := results.splits:
        sizes = {(len(fold.train), len(fold.validation)) for fold in splits.folds}
        parts = " or ".join(f"{train} training and {validation} validation" for train, validation in sorted(sizes))
        folds = "1 fold" if len(splits.folds) == 1 else f"{len(splits.folds)} folds"
        facts.append(("Split by patient", f"{parts} cases in {folds}, {_test_set(results, splits)}"))
    if plan := results.plan:
        facts += [
            ("Training grid", _grid(plan)),
            ("Intensities", ", ".join({n.method: "" for n in plan.normalization}) or "as they are"),
        ]
    return facts


def _test_set(results: RunResults, splits: Splits) -> str:
    """How many cases, and how many patients, whom the intervals are drawn over, where that is known."""
    count = "1 test case" if len(splits.test) == 1 else f"{len(splits.test)} test cases"
    test = set(splits.test)
    patients = {case.patient for case in results.cases if case.case in test}
    return f"{count} of {len(patients)} patient{'s' * (len(patients) != 1)}" if patients else count


def _grid(plan: Plan) -> str:
    if plan.size:
        return f"{plan.size[0]} × {plan.size[1]} pixels"
    if plan.spacing_mm:
        return " × ".join(f"{mm:.4g}" for mm in plan.spacing_mm) + " mm"
    return "that of each image"


def budget_facts(results: RunResults) -> Facts:
    """What every training was allowed and how; empty without a recipe."""
    if results.recipe is None:
        return []
    train = results.recipe.train
    limit = f", at most {train.max_minutes:g} minutes" if train.max_minutes else ""
    own = [
        f"{entry.model}: {', '.join(f'{key} = {value}' for key, value in entry.set.items())}"
        for entry in results.recipe.models
        if entry.set
    ]
    return [
        ("Budget of every training", f"{train.epochs} epochs{limit}"),
        ("Method", _methods(results.recipe)),
        ("Seeds", ", ".join(map(str, train.seeds))),
        ("Folds", str(results.recipe.split.folds)),
        ("Settings of single models", "; ".join(own) or "none in the recipe; see each training's config.yaml"),
        ("Devices", ", ".join(sorted({unit.summary.device for unit in results.units if unit.summary})) or "–"),
    ]


def convention_facts(results: RunResults) -> Facts:
    """What the recipe chose where scores may be made in more than one way; empty without a recipe."""
    if results.recipe is None:
        return []
    evaluate = results.recipe.evaluate
    tolerance = evaluate.tolerance_mm
    tolerances = tolerance if isinstance(tolerance, dict) else {"all classes": tolerance} if tolerance else {}
    surfaces = {"voxel": "voxels of the surface", "surfel": "area of the surface (surfels)"}
    lesions = evaluate.lesions
    return [
        ("NSD tolerance", ", ".join(f"{name} {mm:g} mm" for name, mm in tolerances.items()) or "not given: no NSD"),
        ("NSD counts", surfaces[evaluate.surface]),
        ("Lesions", f"{', '.join(lesions.classes)}: found from IoU {lesions.iou:g} on" if lesions else "not counted"),
        (
            "Prediction",
            f"windows overlap by {evaluate.overlap:g}{', mirrored and averaged' if evaluate.mirror else ''}",
        ),
    ]


def _methods(recipe: Recipe) -> str:
    """Optimizer, rate and schedule, with the models that train so where there are several ways."""
    models: dict[str, list[str]] = {}
    for entry in recipe.models:
        try:
            train, spec = registry.unit_config(recipe, entry.model).train, registry.find(entry.model)
        except RecipeError:  # of another version of medseg, which had other models
            continue
        usual = f"{train.optimizer}, learning rate {train.learning_rate:g}, {train.schedule} decay"
        models.setdefault(f"as {spec.library} does" if spec.extra else usual, []).append(entry.model)
    if len(models) < 2:
        return "".join(models) or "see each training's config.yaml"
    return "; ".join(f"{method}: {', '.join(names)}" for method, names in models.items())


def flattened(values: Mapping[str, Any], prefix: str = "") -> Facts:
    """Nested values as one list, e.g. ``packages torch``."""
    facts: Facts = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            facts += flattened(value, f"{prefix}{name} ")
        else:
            facts.append((f"{prefix}{name}", "–" if value is None else str(value)))
    return facts
