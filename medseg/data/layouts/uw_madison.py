"""UW-Madison GI tract: 16-bit slices whose names say size and spacing, restacked to one volume per case and day."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import Modality
from medseg.config import DatasetConfig
from medseg.data.formats.raster import Picture, read_picture
from medseg.data.image import Image
from medseg.data.labels import Reference, settle_overlap
from medseg.data.layouts.files import identities_of
from medseg.data.layouts.listing import Layout, Listing, Loaded, Reading, Rejection, SourceCase
from medseg.data.layouts.pseudonymous import pseudonymous_cases
from medseg.data.layouts.run_lengths import Runs, decode, read_runs
from medseg.data.source import Source
from medseg.errors import RejectedFileError
from medseg.section import Positive, Section
from medseg.types import Geometry

TABLE = "train.csv"
_SLICE = re.compile(
    r"(?:[^/]+/)*(?P<patient>case\d+)/(?P<case>case\d+_day\d+)/scans/"
    r"slice_(?P<number>\d{4})_(?P<columns>\d+)_(?P<rows>\d+)_(?P<x_mm>\d+\.\d+)_(?P<y_mm>\d+\.\d+)\.png"
)


class UwMadisonCard(Section):
    """What the names of the files do not say.

    Attributes:
        slice_thickness_mm: 3 mm, as the data's page at Kaggle says.
    """

    name: Literal["uw-madison"] = "uw-madison"
    slice_thickness_mm: Positive = 3.0


@dataclass(frozen=True)
class _Slice:
    """What the name of a slice says."""

    name: str
    patient: str
    case: str
    number: int
    grid: tuple[int, int, float, float]  # rows, columns, mm between columns, mm between rows

    @classmethod
    def of(cls, name: str) -> _Slice | None:
        found = _SLICE.fullmatch(name)
        if found is None:
            return None
        grid = int(found["rows"]), int(found["columns"]), float(found["x_mm"]), float(found["y_mm"])
        return cls(name, found["patient"], found["case"], int(found["number"]), grid)

    @property
    def key(self) -> str:
        return f"{self.case}_slice_{self.number:04d}"


class UwMadisonLayout(Layout):
    """``train/case1/case1_day0/scans/slice_0001_266_266_1.50_1.50.png`` with the references of ``train.csv``.

    Slices are axial and numbered from below; their rows run to the back of the patient.
    """

    name = "uw-madison"
    description = "UW-Madison GI tract: slices restacked to volumes by case and day, run-length references in train.csv"
    example = ("train.csv", "train/case1/case1_day0/scans/slice_0001_266_266_1.50_1.50.png")

    def __init__(self, config: DatasetConfig, card: UwMadisonCard = UwMadisonCard()) -> None:  # noqa: B008  frozen
        super().__init__(config)
        self.card = card

    def recognise(self, source: Source) -> str | None:
        """The first slice that is named as this data set's are, beside ``train.csv``."""
        first = next((name for name in source.glimpse if _Slice.of(name)), None)
        return f"found {TABLE} and slices such as {first}" if first and TABLE in source.glimpse else None

    def read(self, source: Source, reading: Reading) -> Listing:
        """Group slices by case and day; cases of which slices are missing are left out whole.

        Raises:
            DataError: ``train.csv`` cannot be read.
        """
        runs = self._runs(source)
        wanted = _wanted(runs)
        cases: list[SourceCase] = []
        rejected: list[Rejection] = []
        for case, slices in sorted(_grouped(source).items()):
            if fault := _fault(slices, wanted[case]):
                rejected.extend(Rejection(found.name, *fault) for found in slices)
            else:
                names = tuple(found.name for found in slices)
                cases.append(SourceCase(case, slices[0].patient, "", names, (TABLE,)))
        if self.pseudonymous:
            cases = list(pseudonymous_cases(cases, reading))
        stated = f"names of slices do not say their thickness: taken as {self.card.slice_thickness_mm:g} mm"
        return Listing(
            cases=cases,
            count=len(cases),
            metadata=[TABLE],
            rejected=rejected,
            classes={name: value for value, name in enumerate(_classes(runs), start=1)},
            modality="mr",
            warnings=[stated],
        )

    def load_image(self, source: Source, case: SourceCase, modality: Modality) -> Loaded:
        """Stack the slices."""
        pictures = [_read(source, found) for found in _slices(case)]
        array = np.concatenate([picture.image.array for picture in pictures], axis=3)
        texts = [text for picture in pictures for text in picture.text.items()]
        return Loaded(
            self._stacked(array, case),
            removed={name: "removed" for name, _ in texts},
            identities=identities_of(texts),
        )

    def load_reference(self, source: Source, case: SourceCase, grid: Geometry | None) -> Reference:
        """Decode the runs of every slice and class."""
        runs = self._runs(source)
        path = source.path(TABLE)
        order = list(self.config.classes or _classes(runs))
        planes = []
        claimed: Counter[str] = Counter()
        for found in _slices(case):
            try:
                planes.append(self._drawn(found, runs[found.key], order, claimed))
            except (ValueError, KeyError) as error:
                raise RejectedFileError("unreadable-runs", f"slice {found.number}: {error}", path) from error
        overlaps = [settle_overlap(name, voxels, self.config.overlap, path) for name, voxels in claimed.items()]
        values = np.stack([plane.T[::-1, ::-1] for plane in planes], axis=2)[None]
        names = {name: value for value, name in enumerate(order, start=1)}
        warnings = tuple(warning for said in overlaps for warning in said)
        return Reference(self._stacked(values, case), names=names, warnings=warnings)

    def _drawn(
        self, found: _Slice, runs: Mapping[str, str], order: list[str], claimed: Counter[str]
    ) -> NDArray[np.uint8]:
        """(rows, columns) with the place of each class in ``order``, from 1; counts what two classes claim."""
        rows, columns, *_ = found.grid
        plane = np.zeros((rows, columns), dtype=np.uint8)
        for name in sorted(runs, key=order.index):
            held = decode(runs[name], rows, columns)
            taken = held & (plane > 0)
            claimed[name] += int(taken.sum())
            plane[held & ~taken if self.config.overlap == "first" else held] = order.index(name) + 1
        return plane

    def _stacked(self, array: NDArray, case: SourceCase) -> Image:
        """Voxels in RAS+ order on the grid that the names of the slices say."""
        _, _, x_mm, y_mm = _slices(case)[0].grid
        spacing_mm = np.array([x_mm, y_mm, self.card.slice_thickness_mm])
        affine = np.diag([*spacing_mm, 1.0])
        affine[:2, 3] = -(np.array(array.shape[1:3]) - 1) * spacing_mm[:2]
        return Image(array, affine)

    def _runs(self, source: Source) -> Runs:
        path = source.path(TABLE)
        return read_runs(path, path.stat().st_mtime_ns)


def _grouped(source: Source) -> dict[str, list[_Slice]]:
    """Slices by case, in the order of their numbers."""
    grouped: dict[str, list[_Slice]] = defaultdict(list)
    for name in source.names():
        if found := _Slice.of(name):
            grouped[found.case].append(found)
    for slices in grouped.values():
        slices.sort(key=lambda found: found.number)
    return grouped


def _wanted(runs: Runs) -> dict[str, set[int]]:
    """Numbers of the slices that the table has rows for, by case."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for key in runs:
        case, _, number = key.rpartition("_slice_")
        if number.isdigit():
            wanted[case].add(int(number))
    return wanted


def _classes(runs: Runs) -> list[str]:
    return sorted({name for found in runs.values() for name in found})


def _slices(case: SourceCase) -> list[_Slice]:
    return [found for name in case.images if (found := _Slice.of(name))]


def _read(source: Source, found: _Slice) -> Picture:
    path = source.path(found.name)
    picture = read_picture(path, rgb=False)
    rows, columns, *_ = found.grid
    if picture.image.geometry.shape != (columns, rows, 1):
        width, height, _ = picture.image.geometry.shape
        reason = f"is {width} x {height} pixels, its name says {columns} x {rows}"
        raise RejectedFileError("shape-mismatch", reason, path)
    return picture


def _fault(slices: list[_Slice], wanted: set[int]) -> tuple[str, str] | None:
    """Code and reason why the slices make no volume."""
    numbers = [found.number for found in slices]
    if not wanted:
        return "reference-missing", f"{TABLE} has no row for it"
    if len(set(numbers)) < len(numbers):
        return "duplicate-slice", "two files have one slice number"
    if missing := sorted((wanted | set(range(numbers[0], numbers[-1]))) - set(numbers)):
        return "slice-gap", f"{len(missing)} of its slices have no file: {_shown(missing)}"
    if strange := sorted(set(numbers) - wanted):
        return "reference-missing", f"{TABLE} has no row for slices {_shown(strange)}"
    if len({found.grid for found in slices}) > 1:
        return "shape-mismatch", "slices have several sizes or spacings"
    return None


def _shown(numbers: Iterable[int]) -> str:
    listed = [str(number) for number in numbers]
    return ", ".join(listed[:5]) + (" …" if len(listed) > 5 else "")
