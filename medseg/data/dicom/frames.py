"""Multi-frame DICOM objects with functional groups: where each frame lies, and volumes read from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medseg.config import ToleranceConfig
from medseg.data.dicom.geometry import Plane, plane_of
from medseg.data.dicom.header import DAMAGED, shape_of, text
from medseg.data.dicom.series import assemble, flips_of
from medseg.data.dicom.stacks import Member, Stack, split_stacks
from medseg.data.dicom.units import Volume, rescale_of, with_rising_grey
from medseg.data.image import Image
from medseg.errors import RejectedFileError

# What parts frames of one object: in kinds, that are never one volume, and in repeats of the same positions.
KINDS = ("StackID", "FrameType", "EffectiveEchoTime")
REPEATS = (
    "TemporalPositionIndex",
    "NominalCardiacTriggerDelayTime",
    "DiffusionBValue",
    "DiffusionGradientOrientation",
    "InversionTimes",
    "FlipAngle",
    "FrameAcquisitionNumber",
    "FrameAcquisitionDateTime",
)
PLACES = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices")
RESCALES = ("RescaleSlope", "RescaleIntercept")
WANTED = (*PLACES, *RESCALES, *KINDS, *REPEATS, "ReferencedSegmentNumber")


def frame_groups(dataset: Dataset, path: Path) -> Iterator[Dataset]:
    """Of every frame the ``WANTED`` attributes, its own before shared ones.

    Raises:
        RejectedFileError: ``multi-frame``: no functional groups, so that no frame has a place; ``unreadable-dicom``.
    """
    try:
        own = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
        shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
        common = _merged(shared[0]) if shared else Dataset()
        frames = int(dataset.get("NumberOfFrames") or 1)
        if not own:
            reason = f"{frames} frames without functional groups have no place in the patient"
            raise RejectedFileError("multi-frame", reason, path)
        if len(own) != frames:
            reason = f"{frames} frames, but functional groups for {len(own)}"
            raise RejectedFileError("unreadable-dicom", reason, path)
        if int(dataset.get("InConcatenationTotalNumber") or 1) > 1:
            raise RejectedFileError("multi-frame", "is one of several parts of an object; need the whole object", path)
        for group in own:
            merged = _merged(group)
            for element in common:
                if element.tag not in merged:
                    merged.add(element)
            yield merged
    except DAMAGED as error:
        reason = f"functional groups are damaged ({type(error).__name__})"
        raise RejectedFileError("unreadable-dicom", reason, path) from None


def _merged(group: Dataset) -> Dataset:
    """The wanted attributes of all sequences of a functional group, nested ones included."""
    found = Dataset()
    for sequence in group:
        if sequence.VR == "SQ" and len(sequence.value):
            item = sequence.value[0]
            for keyword in WANTED:
                if keyword in item and keyword not in found:
                    found.add(item[keyword])
            for nested in item:
                if nested.VR == "SQ" and len(nested.value) and "DiffusionGradientOrientation" in nested.value[0]:
                    found.add(nested.value[0]["DiffusionGradientOrientation"])
    return found


def frame_planes(dataset: Dataset, path: Path, secret: Callable[[str], str]) -> list[Plane]:
    """The plane of every frame.

    Args:
        secret: pseudonym of what a frame says of itself.

    Raises:
        RejectedFileError: ``plane_of``'s and ``frame_groups``' codes.
    """
    _, rows, columns = shape_of(dataset, path)
    planes = []
    for group in frame_groups(dataset, path):
        kind = tuple(secret(text(group, keyword)) for keyword in KINDS)
        repeat = tuple(secret(text(group, keyword)) for keyword in REPEATS)
        planes.append(plane_of(group, (rows, columns), path, kind, repeat))
    return planes


def frame_stacks(
    dataset: Dataset, path: Path, tolerances: ToleranceConfig, secret: Callable[[str], str]
) -> list[Stack]:
    """The volumes that a multi-frame object holds.

    Raises:
        RejectedFileError: as ``frame_planes``.
    """
    members = [Member(number, plane) for number, plane in enumerate(frame_planes(dataset, path, secret))]
    return split_stacks(members, tolerances)


def volume_image(dataset: Dataset, stored: NDArray, stack: Stack, path: Path, tolerances: ToleranceConfig) -> Image:
    """One volume of a multi-frame object as one channel, rescaled frame by frame.

    Args:
        stored: (frames, rows, columns) values.
        stack: the frames of the volume.

    Raises:
        RejectedFileError: ``grid_step``'s and ``rescale_of``'s codes, ``unsupported-pixels``.
    """
    frames, rows, columns = shape_of(dataset, path)
    if stored.size != frames * rows * columns or dataset.PhotometricInterpretation == "PALETTE COLOR":
        raise RejectedFileError("unsupported-pixels", "frames must hold one grey value per pixel", path)
    stored = stored.reshape(frames, rows, columns)
    rescales = [
        rescale_of(group if "RescaleSlope" in group else dataset, path) for group in frame_groups(dataset, path)
    ]
    volume = Volume(len(stack), (rows, columns), flips_of(stack[0].plane))
    for index, (number, _) in enumerate(stack):
        volume.put(index, with_rising_grey(stored[number], dataset), rescales[number])
    return assemble(volume, [plane for _, plane in stack], tolerances)
