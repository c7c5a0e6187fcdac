"""DICOM objects that a test can predict, and what the layout makes of a folder of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from medseg.artifacts import Modality
from medseg.config import DatasetConfig
from medseg.data.deidentification.identities import Identities
from medseg.data.deidentification.pseudonyms import Pseudonyms
from medseg.data.labels import Reference
from medseg.data.layouts.dicom import DicomLayout
from medseg.data.layouts.listing import Listing, Loaded, Reading, SourceCase
from medseg.data.source import Source
from tests.data.scenes import series_datasets

KEY = b"a key for tests only"


@dataclass
class Listed:
    """What the layout found in a folder; rejections as code by name."""

    layout: DicomLayout
    source: Source
    listing: Listing
    cases: list[SourceCase] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def case(self) -> SourceCase:
        (only,) = self.cases
        return only

    def load(self, case: SourceCase | None = None, modality: Modality = "other") -> Loaded:
        return self.layout.load_image(self.source, case or self.case, modality)

    def draw(self, case: SourceCase | None = None) -> Reference:
        case = case or self.case
        return self.layout.load_reference(self.source, case, self.load(case).image.geometry)


def reading(scratch: Path, workers: int = 1) -> Reading:
    scratch.mkdir(parents=True, exist_ok=True)
    pseudonyms = Pseudonyms(KEY)
    identities = Identities(scratch / "identities.sqlite", pseudonyms)
    return Reading(pseudonyms, identities, workers, scratch / "catalog.sqlite", scratch)


def listed(root: Path, scratch: Path, workers: int = 1, **settings: Any) -> Listed:
    """List a folder; every file is in exactly one place."""
    layout, source = DicomLayout(DatasetConfig(name="test", **settings)), Source(root)
    listing = layout.read(source, reading(scratch, workers))
    found = Listed(layout, source, listing, list(listing.cases))
    for row in listing.rejected:
        assert row.path not in found.rejected
        found.rejected[row.path], found.reasons[row.path] = row.code, row.reason
    accepted = {name for case in found.cases for name in (*case.images, *case.references)}
    assert not accepted & set(found.rejected)
    assert listing.count == len(found.cases)
    return found


def code_of(case: Callable[[], object]) -> str:
    from medseg.errors import RejectedFileError

    try:
        case()
    except RejectedFileError as error:
        return error.code
    return ""


def item(**attributes: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(
            dataset,
            keyword,
            Items(value) if isinstance(value, list) and value and isinstance(value[0], Dataset) else value,
        )
    return dataset


def enhanced(frames: int = 4, **per_frame: Sequence[Any]) -> Dataset:
    """An Enhanced MR of 2 x 3 pixels: frame ``k`` lies at z = 5 k, holds 10 k, and doubles it by its own rescale."""
    dataset = series_datasets(1)[0]
    dataset.SOPClassUID, dataset.Modality = EnhancedMRImageStorage, "MR"
    dataset.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "RescaleSlope",
        "RescaleIntercept",
    ):
        delattr(dataset, keyword)
    dataset.NumberOfFrames = frames
    values = np.repeat(np.arange(frames, dtype="<u2") * 10, 6)
    dataset.PixelData = values.tobytes()
    orientation = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    measures = item(PixelSpacing=[3, 2], SliceThickness=5)
    dataset.SharedFunctionalGroupsSequence = Items(
        [item(PlaneOrientationSequence=[orientation], PixelMeasuresSequence=[measures])]
    )
    positions = per_frame.get("z", [5 * k for k in range(frames)])
    times = per_frame.get("time", [1] * frames)
    echoes = per_frame.get("echo", [10.0] * frames)
    dataset.PerFrameFunctionalGroupsSequence = Items(
        [
            item(
                PlanePositionSequence=[item(ImagePositionPatient=[10, 20, positions[k]])],
                PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=0)],
                FrameContentSequence=[item(TemporalPositionIndex=times[k])],
                MREchoSequence=[item(EffectiveEchoTime=echoes[k])],
            )
            for k in range(frames)
        ]
    )
    return dataset


def structures(images: Sequence[Dataset], rois: dict[str, list[list[tuple[float, float, float]]]]) -> Dataset:
    """An RTSTRUCT drawn on a series: ROI name to polygons of LPS points."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = RTStructureSetStorage, generate_uid()
    dataset.SeriesInstanceUID, dataset.Modality = generate_uid(), "RTSTRUCT"
    dataset.PatientID = images[0].PatientID
    series = item(SeriesInstanceUID=images[0].SeriesInstanceUID)
    study = item(RTReferencedSeriesSequence=[series])
    dataset.ReferencedFrameOfReferenceSequence = Items([item(RTReferencedStudySequence=[study])])
    numbered = list(enumerate(rois, start=1))
    dataset.StructureSetROISequence = Items([item(ROINumber=number, ROIName=name) for number, name in numbered])
    dataset.ROIContourSequence = Items(
        [
            item(ReferencedROINumber=number, ContourSequence=[_contour(points) for points in rois[name]])
            for number, name in numbered
        ]
    )
    return dataset


def _contour(points: list[tuple[float, float, float]]) -> Dataset:
    flat = [f"{number:.4f}" for point in points for number in point]
    return item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=len(points), ContourData=flat)


def square(low: float, high: float, z: float) -> list[tuple[float, float, float]]:
    return [(low, low, z), (low, high, z), (high, high, z), (high, low, z)]


def save(dataset: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path
