"""DICOM SEG objects lie on their image voxel by voxel; what claims a voxel twice is decided by the recipe."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from medseg.data.labels import Reference
from tests.data.dicom.scenes import Listed, code_of, listed, save
from tests.data.scenes import slice_dataset, write_series


def images(slices: int = 4, size: int = 8) -> list[Dataset]:
    datasets = [slice_dataset(k, np.zeros((size, size), np.uint16)) for k in range(slices)]
    for dataset in datasets:
        dataset.StudyInstanceUID, dataset.PatientBirthDate, dataset.PatientSex = "1.2.3", "", ""
        dataset.StudyDate = dataset.StudyTime = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
        dataset.StudyID = dataset.PositionReferenceIndicator = ""
    return datasets


def segmentation(
    sources: list[Dataset], masks: np.ndarray, names: list[str], kind: str = "BINARY", **options: Any
) -> Dataset:
    """Masks are (slices, rows, columns) labels, or (slices, rows, columns, segments) shares."""
    concept = CodedConcept("123037004", "SCT", "Anatomical Structure")
    described = [
        SegmentDescription(number, name, concept, concept, SegmentAlgorithmTypeValues.MANUAL)
        for number, name in enumerate(names, start=1)
    ]
    return Segmentation(
        source_images=sources,
        pixel_array=masks,
        segmentation_type=SegmentationTypeValues[kind],
        segment_descriptions=described,
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="medseg",
        manufacturer_model_name="tests",
        software_versions="1",
        device_serial_number="1",
        **options,
    )


def scene(tmp_path: Path, *drawn: Dataset, sources: list[Dataset], **settings: Any) -> Listed:
    write_series(tmp_path / "in/ct", sources)
    for number, dataset in enumerate(drawn):
        save(dataset, tmp_path / f"in/seg-{number}.dcm")
    return listed(tmp_path / "in", tmp_path / "scratch", **settings)


def stored_order(reference: Reference) -> np.ndarray:
    """(slices, rows, columns), as the masks were given."""
    return reference.image.array[0][::-1, ::-1].transpose(2, 1, 0)


LABELS = np.zeros((4, 8, 8), np.uint8)
LABELS[1, 2:4, 3:7], LABELS[2:, 5, 5] = 1, 2


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segments_come_back_voxel_by_voxel(tmp_path: Path, kind: str) -> None:
    sources = images()
    found = scene(tmp_path, segmentation(sources, LABELS, ["Liver", "Spleen"], kind), sources=sources)
    assert found.listing.classes == {"liver": 1, "spleen": 2}
    reference = found.draw()
    assert reference.names == {"liver": 1, "spleen": 2}
    assert np.array_equal(stored_order(reference), LABELS)


@pytest.mark.parametrize(("threshold", "count"), [(0.2, 3), (0.5, 2), (0.51, 1), (1.0, 1)])
def test_fractions_count_from_the_recipes_threshold(tmp_path: Path, threshold: float, count: int) -> None:
    shares = np.zeros((4, 8, 8, 1), np.float32)
    shares[0, 0, :4, 0] = [0, 0.2, 0.5, 1]
    sources = images()
    drawn = segmentation(sources, shares, ["Tumour"], "FRACTIONAL", max_fractional_value=10)
    found = scene(tmp_path, drawn, sources=sources, fraction_threshold=threshold)
    assert (stored_order(found.draw()) == 1).sum() == count


def overlapping(sources: list[Dataset]) -> Dataset:
    masks = np.zeros((4, 8, 8, 2), np.uint8)
    masks[0, 0, 0:4, 0], masks[0, 0, 2:6, 1] = 1, 1
    return segmentation(sources, masks, ["Liver", "Tumour"])


@pytest.mark.parametrize(("overlap", "row"), [("first", [1, 1, 1, 1, 2, 2]), ("last", [1, 1, 2, 2, 2, 2])])
def test_the_recipe_says_which_of_two_segments_owns_a_voxel(tmp_path: Path, overlap: str, row: list[int]) -> None:
    sources = images()
    found = scene(tmp_path, overlapping(sources), sources=sources, overlap=overlap)
    assert stored_order(found.draw())[0, 0, :6].tolist() == row


def test_the_order_of_the_recipes_classes_goes_before_that_of_the_segments(tmp_path: Path) -> None:
    sources = images()
    classes = {"tumour": 1, "liver": 2}
    found = scene(tmp_path, overlapping(sources), sources=sources, overlap="first", classes=classes)
    assert stored_order(found.draw())[0, 0, :6].tolist() == [2, 2, 1, 1, 1, 1]


def test_overlapping_segments_are_refused_without_a_rule(tmp_path: Path) -> None:
    sources = images()
    found = scene(tmp_path, overlapping(sources), sources=sources, overlap="refuse")
    assert code_of(found.draw) == "overlapping-segments"


def test_several_objects_of_one_image_are_drawn_together(tmp_path: Path) -> None:
    sources = images()
    first = segmentation(sources, (LABELS == 1).astype(np.uint8), ["Liver"])
    second = segmentation(sources, (LABELS == 2).astype(np.uint8), ["Spleen"])
    again = segmentation(sources, (LABELS == 1).astype(np.uint8), ["Liver"])  # one class may be drawn twice
    found = scene(tmp_path, first, second, again, sources=sources)
    assert len(found.case.references) == 3
    reference = found.draw()
    values = np.array([0, *(reference.names[name] for name in ("liver", "spleen"))])
    assert np.array_equal(stored_order(reference), values[LABELS])


def test_a_damaged_object_takes_its_case_with_it_and_no_other(tmp_path: Path) -> None:
    sources, others = images(), images()
    for dataset in others:
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = "1.2.9", generate_uid()
    write_series(tmp_path / "in/other", others)
    save(segmentation(others, LABELS, ["Liver", "Spleen"]), tmp_path / "in/other.dcm")
    write_series(tmp_path / "in/ct", sources)
    save(segmentation(sources, LABELS, ["Liver", "Spleen"]), tmp_path / "in/good.dcm")
    damaged = segmentation(sources, LABELS, ["Liver", "Spleen"])
    path = save(damaged, tmp_path / "in/damaged.dcm")
    path.write_bytes(path.read_bytes()[:-8])
    found = listed(tmp_path / "in", tmp_path / "scratch")
    assert found.case.references == ("other.dcm",)
    assert found.rejected["damaged.dcm"] == "truncated"
    assert {found.rejected[name] for name in found.rejected if name != "damaged.dcm"} == {"case-rejected"}
    assert "damaged.dcm" in found.reasons["ct/0.dcm"]


def test_segments_on_another_grid_are_refused_or_resampled(tmp_path: Path) -> None:
    fine, coarse = images(4, 8), images(4, 4)
    for dataset in coarse:  # pixels twice as large, so that each covers 2 x 2 of the image's
        dataset.PixelSpacing = [6, 4]
        dataset.ImagePositionPatient[0] += 1
        dataset.ImagePositionPatient[1] += 1.5
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[:, 1:3, 1:3] = 1
    drawn = segmentation(coarse, labels, ["Liver"])
    drawn.ReferencedSeriesSequence[0].SeriesInstanceUID = fine[0].SeriesInstanceUID
    pairs = zip(drawn.ReferencedSeriesSequence[0].ReferencedInstanceSequence, fine, strict=True)
    for reference, source in pairs:
        reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
    assert code_of(scene(tmp_path, drawn, sources=fine).draw) == "reference-geometry"
    resampled = listed(tmp_path / "in", tmp_path / "again", resample_references=True)
    expected = np.kron(labels, np.ones((1, 2, 2), np.uint8))
    assert np.array_equal(stored_order(resampled.draw()), expected)


def test_only_names_are_asked_for_without_a_grid(tmp_path: Path) -> None:
    sources = images()
    found = scene(tmp_path, segmentation(sources, LABELS, ["Liver", "Spleen"]), sources=sources)
    reference = found.layout.load_reference(found.source, found.case, None)
    assert sorted(reference.names) == ["liver", "spleen"]
    assert reference.image.array.ravel().tolist() == [1, 2]


REAL = {
    "liver_seg": {"liver_seg.nrrd": {1: "liver"}},
    "partial_overlaps_seg": {
        "partial_overlaps-1.nrrd": {1: "green", 4: "light_blue", 5: "dark_blue"},
        "partial_overlaps-2.nrrd": {2: "orange"},
        "partial_overlaps-3.nrrd": {3: "purple"},
    },
}


@pytest.mark.parametrize("name", REAL)
def test_real_segments_are_those_of_an_independent_conversion(shared_data: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(shared_data / "dicom_seg/ct-3slice", tmp_path / "in/ct")
    shutil.copy(shared_data / f"dicom_seg/{name}.dcm", tmp_path / "in")
    names = [segment for file in REAL[name].values() for segment in file.values()]
    for file, segments in REAL[name].items():
        expected = sitk.GetArrayFromImage(sitk.ReadImage(str(shared_data / "dicom_seg/nrrd" / file)))
        for value, segment in segments.items():
            # what comes first owns all of its voxels, so each segment is compared whole
            order = {segment: 1} | {other: 2 + at for at, other in enumerate(names) if other != segment}
            found = listed(tmp_path / "in", tmp_path / f"{segment}", overlap="first", classes=order)
            reference = found.draw()
            mask = reference.image.array[0][::-1, ::-1].transpose(2, 1, 0) == reference.names[segment]
            assert np.array_equal(mask, expected == value)
