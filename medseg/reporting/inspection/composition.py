"""Cases counted by modality, scanner, body part, size, spacing, split and class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from medseg.artifacts import Dataset
from medseg.reporting.inspection.findings import NOT_STATED, ClassCounts, Count, Facet
from medseg.types import Case

LISTED = 6  # values of a facet that are listed one by one
MAIN_FACTS = ("modality", "manufacturer", "model", "body_part")
NO_SPLIT = "not predefined"
SPLITS = ("train", "validation", "test")


def facet(name: str, cases: Sequence[Case], value: Callable[[Case], str], listed: int = LISTED) -> Facet:
    """Cases and patients by value, the most frequent first, equal ones by name; an empty value is not stated."""
    counts: Counter[str] = Counter()
    patients: defaultdict[str, set[str]] = defaultdict(set)
    for case in cases:
        text = value(case) or NOT_STATED
        counts[text] += 1
        patients[text].add(case.patient)
    ordered = sorted(counts, key=lambda text: (-counts[text], text))
    rows = tuple(Count(text, counts[text], len(patients[text])) for text in ordered[:listed])
    return Facet(name, rows, len(ordered[listed:]), sum(counts[text] for text in ordered[listed:]))


def main_facets(cases: Sequence[Case], dataset: Dataset) -> tuple[Facet, ...]:
    """What every data set is asked for; voxel sizes are left out where pictures have no physical scale."""
    facets = [
        facet("Modality", cases, _fact("modality")),
        facet("Scanner", cases, scanner),
        facet("Body part", cases, _fact("body_part")),
        facet("Size in pixels" if dataset.dimensions == 2 else "Size in voxels", cases, _size),
    ]
    if has_scale(cases, dataset):
        facets.append(facet("Spacing in mm", cases, _spacing))
    return tuple(facets)


def more_facets(cases: Sequence[Case]) -> tuple[Facet, ...]:
    """Every other fact that some case has, by name."""
    names = sorted({name for case in cases for name in case.facts} - set(MAIN_FACTS))
    return tuple(facet(_spoken(name), cases, _fact(name)) for name in names)


def splits(cases: Sequence[Case]) -> Facet:
    return facet("Split", cases, lambda case: case.split or NO_SPLIT)


def classes_of_images(cases: Sequence[Case], dataset: Dataset) -> tuple[ClassCounts, ...]:
    """Every class that the data set names, then whatever else cases have; empty unless it is for classification."""
    if dataset.task != "classification":
        return ()
    counts = {label: Counter[str]() for label in dataset.labels}
    for case in cases:
        counts.setdefault(case.label or NOT_STATED, Counter())[case.split or NO_SPLIT] += 1
    return tuple(ClassCounts(label, by_split.total(), dict(by_split)) for label, by_split in counts.items())


def has_scale(cases: Sequence[Case], dataset: Dataset) -> bool:
    """Whether voxel sizes mean anything: pictures without a scale have 1 mm by convention."""
    return dataset.dimensions == 3 or any(case.spacing_mm != (1.0, 1.0, 1.0) for case in cases)


def scanner(case: Case) -> str:
    """Manufacturer and model; the manufacturer once where the model repeats it."""
    manufacturer, model = case.facts.get("manufacturer", ""), case.facts.get("model", "")
    if model.casefold().startswith(manufacturer.casefold()):
        return model
    return f"{manufacturer} {model}".strip()


def _fact(name: str) -> Callable[[Case], str]:
    return lambda case: case.facts.get(name, "")


def _size(case: Case) -> str:
    shape = case.shape[:2] if case.shape[2] == 1 else case.shape
    return " × ".join(map(str, shape))


def _spacing(case: Case) -> str:
    return " × ".join(f"{mm:.3g}" for mm in case.spacing_mm)


def _spoken(name: str) -> str:
    """``echo_time_ms`` as ``Echo time ms``."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
