"""The nouns of an inspection: everything that its page says, as plain numbers and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import Dataset, IngestSummary
from medseg.types import Case

PERCENTILES = (1, 25, 50, 75, 99)
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Count:
    """How many cases of how many patients share a value."""

    value: str
    cases: int
    patients: int


@dataclass(frozen=True)
class Facet:
    """The cases counted by one property.

    Attributes:
        counts: the most frequent value first.
        others: further values that are not listed, and ``other_cases``, the cases that have them.
    """

    name: str
    counts: tuple[Count, ...]
    others: int = 0
    other_cases: int = 0

    @property
    def stated(self) -> bool:
        return any(count.value != NOT_STATED for count in self.counts)


@dataclass(frozen=True)
class ClassCounts:
    """Cases of one class of whole images, by predefined split."""

    name: str
    cases: int
    by_split: dict[str, int]


@dataclass(frozen=True)
class Intensities:
    """Percentiles of the voxels of one channel, case by case.

    Attributes:
        cases: (n,) names; ``everywhere`` (n, 5) holds their 1st, 25th, 50th, 75th and 99th percentiles.
        marked: (n, 5), of the voxels that the reference marks; NaN where it marks none.
    """

    channel: str
    cases: tuple[str, ...]
    everywhere: NDArray[np.float64]
    marked: NDArray[np.float64]


@dataclass(frozen=True)
class ClassVolumes:
    """How much of every case one class takes.

    Attributes:
        amounts: (n,) over the cases that hold the class; in ml, or in percent of the picture for 2D data.
        absent: names of the cases without it.
    """

    name: str
    amounts: NDArray[np.float64]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class RejectedCode:
    """The files left out for one reason; ``examples`` are the first ones: path and reason as they stand."""

    code: str
    files: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SplitPatient:
    """A patient with cases in more than one predefined split."""

    patient: str
    cases_by_split: dict[str, int]


@dataclass(frozen=True)
class Copies:
    """Cases with the same image.

    Attributes:
        kind: ``identical`` voxels; ``near``: alike up to compression, noise and contrast; ``mirrored``: the same with
            the axes ``mirrored_axes`` flipped.
        likeness: correlation of the two small pictures, 1.0 for identical voxels.
    """

    kind: Literal["identical", "near", "mirrored"]
    cases: tuple[Case, ...]
    likeness: float = 1.0
    mirrored_axes: tuple[int, ...] = ()

    @property
    def across_patients(self) -> bool:
        return len({case.patient for case in self.cases}) > 1

    @property
    def across_splits(self) -> bool:
        return len({case.split for case in self.cases}) > 1


@dataclass(frozen=True)
class Suspects:
    """What may let a model see test patients while it trains.

    Attributes:
        copies: those between different patients first.
        cut_off: there are more near copies than are kept.
    """

    patients: tuple[SplitPatient, ...]
    copies: tuple[Copies, ...]
    cut_off: bool = False


@dataclass(frozen=True)
class Thumbnail:
    """A slice of one case with its reference drawn on.

    Attributes:
        reason: why this case was chosen.
        picture: (rows, columns, 3) RGB.
        axis: the patient axis that the slice is cut across: 0, 1 or 2.
        classes: names of the classes on the slice.
    """

    case: Case
    reason: str
    picture: NDArray[np.uint8]
    axis: int
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Inspection:
    """A data set as it was found.

    Attributes:
        cases: all of them; ``read`` is the number of those whose voxels were looked at.
        splits: cases and patients by predefined split.
        facets: modality, scanner, body part, size and spacing; ``more_facets`` whatever else is known.
        classes_of_images: for classification.
        unit: of the class volumes: ``ml``, or ``%`` of the picture.
        faults: volumes of the data set that cannot be read.
    """

    dataset: Dataset
    summary: IngestSummary
    cases: tuple[Case, ...]
    read: int
    splits: Facet
    facets: tuple[Facet, ...]
    more_facets: tuple[Facet, ...]
    classes_of_images: tuple[ClassCounts, ...]
    intensities: tuple[Intensities, ...]
    class_volumes: tuple[ClassVolumes, ...]
    unit: Literal["ml", "%"]
    rejected: tuple[RejectedCode, ...]
    suspects: Suspects
    thumbnails: tuple[Thumbnail, ...]
    faults: tuple[str, ...]

    @property
    def patients(self) -> int:
        return len({case.patient for case in self.cases})
