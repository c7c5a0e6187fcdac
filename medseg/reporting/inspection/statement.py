"""What a data set is and what to look at first, in words."""

from __future__ import annotations

from collections.abc import Iterator

from medseg.reporting.facts import Facts
from medseg.reporting.inspection.composition import NO_SPLIT
from medseg.reporting.inspection.findings import Inspection
from medseg.reporting.inspection.text import counted, listed

SHOWN_NAMES = 12
MODALITIES = {"ct": "CT", "mr": "MR", "xray": "X-ray", "ultrasound": "ultrasound", "rgb": "colour pictures"}


def statement(found: Inspection) -> Facts:
    """The facts of the data set as a whole."""
    dataset, summary = found.dataset, found.summary
    classes = dataset.foreground if dataset.task == "segmentation" else dataset.labels
    split = "; ".join(
        f"{count.value}: {counted(count.cases, 'case')} of {counted(count.patients, 'patient')}"
        for count in found.splits.counts
    )
    facts = [
        ("Task", dataset.task),
        ("Images", f"{MODALITIES.get(dataset.modality, dataset.modality)}, {dataset.dimensions}D"),
        ("Channels", listed(tuple(dataset.channel_names.values()), SHOWN_NAMES)),
        ("Classes", listed(tuple(classes), SHOWN_NAMES) or "none"),
        ("Cases", f"{counted(len(found.cases), 'case')} of {counted(found.patients, 'patient')}"),
        ("Splits", "none predefined" if split.startswith(NO_SPLIT) and len(found.splits.counts) == 1 else split),
        ("Layout of the source", f"{summary.layout}: {summary.layout_reason}"),
        (
            "Files of the source",
            f"{summary.files_seen:,} seen, {summary.files_accepted:,} accepted, {summary.files_rejected:,} left out",
        ),
    ]
    return [*facts, ("Voxels read", _read(found))]


def _read(found: Inspection) -> str:
    total = len(found.cases)
    if found.read + len(found.faults) == total:
        return "of all cases" if not found.faults else f"of {found.read:,} of {total:,} cases"
    return (
        f"of {found.read:,} of {total:,} cases, drawn by a hash of their names: intensities, class volumes, pictures,"
        " near and mirrored copies are of these; equal files are looked for among all"
    )


def alerts(found: Inspection) -> Iterator[tuple[str, str]]:
    """What to look at first: text, and the section that tells more."""
    if found.suspects.patients:
        patients = counted(len(found.suspects.patients), "patient has", "patients have")
        yield f"{patients} cases in several predefined splits.", "leakage"
    between = [copies for copies in found.suspects.copies if copies.across_patients]
    if between:
        yield f"{_groups(len(between))} under different patients.", "leakage"
    parted = [copies for copies in found.suspects.copies if copies.across_splits]
    if parted:
        yield f"{_groups(len(parted))} in different predefined splits.", "leakage"
    if found.faults:
        yield f"{counted(len(found.faults), 'case')} of the data set cannot be read.", "faults"
    if found.rejected:
        yield f"{counted(sum(code.files for code in found.rejected), 'file')} of the source left out.", "rejected"
    nowhere = tuple(volumes.name for volumes in found.class_volumes if not volumes.amounts.size)
    if nowhere:
        yield f"No case that was read holds {listed(nowhere)}.", "volumes"
    unused = tuple(label.name for label in found.classes_of_images if not label.cases)
    if unused:
        yield f"No case has the class {listed(unused)}.", "labels"


def _groups(number: int) -> str:
    return counted(number, "group of copied images", "groups of copied images")
