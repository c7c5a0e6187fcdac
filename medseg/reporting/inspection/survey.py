"""Everything that an inspection says of a data set, gathered in one pass over its cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from tqdm import tqdm

from medseg.artifacts import CASES_FILE, DATASET_FILE, INGEST_FILE, REJECTED_FILE, Dataset, IngestSummary, join
from medseg.data.cases import read_cases
from medseg.errors import DataError, NotFoundError
from medseg.pool import spread, worth
from medseg.reporting.inspection import composition
from medseg.reporting.inspection.findings import ClassVolumes, Inspection, Intensities
from medseg.reporting.inspection.leakage import equal_files, find_suspects
from medseg.reporting.inspection.measurement import Measurement, measure
from medseg.reporting.inspection.rejections import read_rejections
from medseg.reporting.inspection.selection import cases_to_read, cases_to_show
from medseg.reporting.inspection.thumbnails import draw_thumbnails
from medseg.reporting.inspection.volumes import DatasetVolumes
from medseg.storage import open_store
from medseg.types import Case

Unit = Literal["ml", "%"]
CASES_PER_WORKER = 20  # looking at a case takes less than reading one


def survey(dataset_uri: str, workers: int = 1) -> Inspection:
    """Inspect a finished data set; one case per process is in memory at a time.

    Raises:
        DataError: one of its tables is damaged.
        NotFoundError: one of its tables is missing.
    """
    store = open_store(dataset_uri)
    dataset = Dataset.from_bytes(store.get_bytes(DATASET_FILE), join(dataset_uri, DATASET_FILE))
    summary = IngestSummary.from_bytes(store.get_bytes(INGEST_FILE), join(dataset_uri, INGEST_FILE))
    cases = read_cases(store.get_bytes(CASES_FILE))
    to_read = cases_to_read(cases, len(dataset.channel_names))
    measurements = _measure_all(dataset_uri, dataset, to_read, workers)
    readable = [measurement for measurement in measurements if not measurement.fault]
    intensities = tuple(_intensities(readable, dataset))
    files = equal_files(store, cases, len(dataset.channel_names)) if len(to_read) < len(cases) else []
    unit: Unit = "%" if dataset.dimensions == 2 else "ml"
    shown = cases_to_show(to_read, measurements, dataset)
    volumes = DatasetVolumes(dataset_uri, dataset)
    return Inspection(
        dataset=dataset,
        summary=summary,
        cases=tuple(cases),
        read=len(readable),
        splits=composition.splits(cases),
        facets=composition.main_facets(cases, dataset),
        more_facets=composition.more_facets(cases),
        classes_of_images=composition.classes_of_images(cases, dataset),
        intensities=intensities,
        class_volumes=tuple(_class_volumes(readable, to_read, dataset, unit)),
        unit=unit,
        rejected=read_rejections(store.get_bytes(REJECTED_FILE), join(dataset_uri, REJECTED_FILE)),
        suspects=find_suspects(cases, readable, files),
        thumbnails=tuple(draw_thumbnails(volumes, shown, dataset, intensities)),
        faults=tuple(measurement.fault for measurement in measurements if measurement.fault),
    )


def _measure_all(dataset_uri: str, dataset: Dataset, cases: Sequence[Case], workers: int) -> list[Measurement]:
    """In the order of the cases, whatever process is done first."""
    names = [case.case for case in cases]
    workers = worth(workers, len(names), CASES_PER_WORKER)
    results = spread(_measure, names, workers, _sit_down, (dataset_uri, dataset))
    found = {m.case: m for m in tqdm(results, desc="inspect", unit="case", total=len(names), disable=None)}
    return [found[name] for name in names]


@dataclass(frozen=True)
class _Desk:
    """What a process needs to measure cases."""

    volumes: DatasetVolumes
    flat: bool


_seat: list[_Desk] = []


def _sit_down(dataset_uri: str, dataset: Dataset) -> None:
    _seat[:] = [_Desk(DatasetVolumes(dataset_uri, dataset), dataset.dimensions == 2)]


def _measure(case: str) -> Measurement:
    desk = _seat[0]
    try:
        channels = desk.volumes.channels(case)
        return measure(case, channels, desk.volumes.reference(case, channels[0].shape), desk.flat)
    except (DataError, NotFoundError) as error:
        return Measurement(case, fault=str(error))


def _intensities(measurements: Sequence[Measurement], dataset: Dataset) -> Iterator[Intensities]:
    names = tuple(measurement.case for measurement in measurements)
    everywhere = [m.everywhere for m in measurements if m.everywhere is not None]
    marked = [m.marked for m in measurements if m.marked is not None]
    for number, channel in enumerate(dataset.channel_names.values() if names else ()):
        yield Intensities(
            channel, names, np.stack([v[number] for v in everywhere]), np.stack([v[number] for v in marked])
        )


def _class_volumes(
    measurements: Sequence[Measurement], cases: Iterable[Case], dataset: Dataset, unit: Unit
) -> Iterator[ClassVolumes]:
    if dataset.task != "segmentation" or not measurements:
        return
    share = {case.case: _per_voxel(case, unit) for case in cases}
    for name, value in dataset.foreground.items():
        voxels = {m.case: (m.class_voxels or {}).get(value, 0) for m in measurements}
        amounts = [count * share[case] for case, count in voxels.items() if count]
        yield ClassVolumes(name, np.array(amounts), tuple(case for case, count in voxels.items() if not count))


def _per_voxel(case: Case, unit: Unit) -> float:
    """What one voxel amounts to, in ml or in percent of the image."""
    numbers = case.spacing_mm if unit == "ml" else case.shape
    product = float(np.prod(numbers))
    return product / 1000 if unit == "ml" else 100 / product
