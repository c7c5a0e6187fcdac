"""What a tree of DICOM files holds, by headers alone: stacks of slices, and what DICOM SEG objects refer to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medseg.data.dicom import DAMAGED, is_dicom, plane, read_header
from medseg.data.dicom_seg import SEG_CLASSES, segment_names
from medseg.errors import RejectedFileError

ENDING = ".dcm"
AXES_TOLERANCE = 0.005  # mm per pixel, between slices of one volume
_REPEATS = ("AcquisitionNumber", "TemporalPositionIdentifier", "AcquisitionTime")


@dataclass
class Stack:
    """The slices of one series that make one volume; voxels and headers stay on disk.

    Attributes:
        kind: size, echo and image type, which part slices of one series that are not one volume.
        axes: (3, 2) LPS mm from column to column and from row to row.
        slices: path, position along the normal in mm, and what tells repeated acquisitions apart.
    """

    series: str
    frame_of_reference: str
    patient: str
    modality: str
    kind: tuple[str, ...]
    axes: NDArray[np.float64]
    slices: list[tuple[Path, float, tuple[str, ...]]] = field(default_factory=list)

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path, _, _ in self.slices)


@dataclass(frozen=True)
class Segments:
    """What the header of a DICOM SEG object refers to."""

    path: Path
    series: tuple[str, ...]
    frame_of_reference: str
    instances: frozenset[str]
    names: dict[int, str]


@dataclass
class Index:
    """The files of a tree, sorted into what they are.

    Attributes:
        stacks: by series.
        rejected: path, code and reason.
        damaged: by series, why one of its slices has no place: a volume without it would have a hole.
    """

    stacks: dict[str, list[Stack]] = field(default_factory=lambda: defaultdict(list))
    segments: list[Segments] = field(default_factory=list)
    rejected: list[tuple[Path, str, str]] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)


def index_files(paths: Iterable[Path]) -> Index:
    """Read every header once; what is no DICOM is left out silently unless its name says that it is."""
    index = Index()
    for path in paths:
        try:
            if is_dicom(path):
                _add(read_header(path), path, index)
            elif path.name.lower().endswith(ENDING):
                raise RejectedFileError("unreadable-dicom", "has no DICOM marker after its first 128 bytes", path)
        except RejectedFileError as error:
            index.rejected.append((path, error.code, error.reason))
    _drop_damaged(index)
    index.stacks = {
        series: [part for stack in found for part in _split_repeats(stack)] for series, found in index.stacks.items()
    }
    return index


def _add(dataset: Dataset, path: Path, index: Index) -> None:
    try:
        if dataset.SOPClassUID in SEG_CLASSES:
            index.segments.append(_segments(dataset, path))
        elif "Rows" in dataset:
            _add_slice(dataset, path, index)
        else:
            raise RejectedFileError("not-an-image", f"is a {dataset.SOPClassUID.name}, not an image", path)
    except DAMAGED as error:
        raise RejectedFileError("unreadable-dicom", f"header is damaged: {error}", path) from error


def _add_slice(dataset: Dataset, path: Path, index: Index) -> None:
    try:
        affine, normal = plane(dataset, path)
    except RejectedFileError as error:
        index.damaged[str(dataset.SeriesInstanceUID)] = f"{path.name} of the same series is {error.code}"
        raise
    stack = _stack(dataset, affine[:3, :2], index)
    repeat = tuple(str(dataset.get(name, "")) for name in _REPEATS)
    stack.slices.append((path, float(affine[:3, 3] @ normal), repeat))


def _drop_damaged(index: Index) -> None:
    for series, reason in index.damaged.items():
        dropped = index.stacks.pop(series, [])
        index.rejected.extend((path, "case-rejected", reason) for stack in dropped for path in stack.paths)


def _stack(dataset: Dataset, axes: NDArray[np.float64], index: Index) -> Stack:
    """The stack that a slice belongs to, a new one where no other has its kind and axes."""
    series = str(dataset.SeriesInstanceUID)
    known = index.stacks[series]
    sizes = (str(dataset.Rows), str(dataset.Columns))
    kind = (*sizes, str(dataset.get("EchoNumbers", "")), "/".join(map(str, dataset.get("ImageType") or ())))
    for stack in known:
        if stack.kind == kind and np.allclose(stack.axes, axes, atol=AXES_TOLERANCE):
            return stack
    frame = str(dataset.get("FrameOfReferenceUID", ""))
    patient = str(dataset.get("PatientID") or dataset.get("StudyInstanceUID") or series)
    known.append(Stack(series, frame, patient, str(dataset.get("Modality", "")), kind, axes))
    return known[-1]


def _segments(dataset: Dataset, path: Path) -> Segments:
    references = dataset.get("ReferencedSeriesSequence") or ()
    instances = {
        str(item.ReferencedSOPInstanceUID)
        for reference in references
        for item in reference.get("ReferencedInstanceSequence") or ()
    }
    return Segments(
        path,
        tuple(str(reference.SeriesInstanceUID) for reference in references),
        str(dataset.get("FrameOfReferenceUID", "")),
        frozenset(instances),
        segment_names(dataset, path),
    )


def _split_repeats(stack: Stack) -> list[Stack]:
    """Part repeated acquisitions of the same positions; what no attribute parts stays one and is refused later."""
    positions = [round(position, 2) for _, position, _ in stack.slices]
    if len(set(positions)) == len(positions):
        return [stack]
    for attribute in range(len(_REPEATS)):
        groups: dict[str, list[tuple[Path, float, tuple[str, ...]]]] = defaultdict(list)
        for entry in stack.slices:
            groups[entry[2][attribute]].append(entry)
        each_once = sorted(set(positions))
        if all(sorted(round(entry[1], 2) for entry in group) == each_once for group in groups.values()):
            return [replace(stack, slices=groups[value]) for value in sorted(groups)]
    return [stack]
