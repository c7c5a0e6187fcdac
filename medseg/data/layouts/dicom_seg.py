"""A tree of DICOM files, of any depth and names: image series, and DICOM SEG objects that refer to them."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from medseg.artifacts import Modality
from medseg.data.dicom import MODALITIES, is_dicom, read_header, read_series
from medseg.data.dicom_index import Index, Segments, Stack, index_files
from medseg.data.dicom_seg import read_segments
from medseg.data.image import Image
from medseg.data.labels import Classes, Reference
from medseg.data.layouts.listing import Layout, Listing, Rejection, Source, SourceCase
from medseg.errors import RejectedFileError
from medseg.types import Geometry


def recognise(source: Source) -> str | None:
    """Reason why this is such a tree: the first file with DICOM's marker."""
    first = next((name for name in source.files if is_dicom(source.path(name))), None)
    return f"DICOM files, such as {first}" if first else None


def read(source: Source) -> Listing:
    """Match every DICOM SEG object with the image series that it refers to; patients get numbers, not names."""
    index = index_files(source.path(name) for name in source.files)
    pairs = _match(index)
    return Listing(
        cases=_number(pairs),
        rejected=[Rejection(source.name(path), code, reason) for path, code, reason in index.rejected],
        classes=_classes(pairs),
        modality=_modality({stack.modality for stack, _ in pairs}),
    )


def _match(index: Index) -> list[tuple[Stack, list[Segments]]]:
    """Stacks with the DICOM SEG objects that refer to them; what stays alone is listed as rejected."""
    references: dict[int, list[Segments]] = defaultdict(list)
    for segments in index.segments:
        try:
            references[id(_owner(segments, index))].append(segments)
        except RejectedFileError as error:
            index.rejected.append((segments.path, error.code, error.reason))
    pairs = []
    for stack in (stack for found in index.stacks.values() for stack in found):
        if id(stack) in references:
            pairs.append((stack, references[id(stack)]))
        else:
            reason = "no DICOM SEG object refers to this series"
            index.rejected.extend((path, "reference-missing", reason) for path in stack.paths)
    return pairs


def _owner(segments: Segments, index: Index) -> Stack:
    """The one stack that a DICOM SEG object refers to: by series, else by frame of reference."""
    damaged = [index.damaged[series] for series in segments.series if series in index.damaged]
    if damaged:
        raise RejectedFileError("case-rejected", f"its image is left out: {damaged[0]}", segments.path)
    found = [stack for series in segments.series for stack in index.stacks.get(series, ())]
    if len(found) > 1:
        found = [stack for stack in found if _holds(stack, segments)]
    if not segments.series and (frame := segments.frame_of_reference):
        found = [stack for known in index.stacks.values() for stack in known if stack.frame_of_reference == frame]
    if len(found) == 1:
        return found[0]
    if not found:
        raise RejectedFileError("image-missing", "the image series that it refers to is not here", segments.path)
    raise RejectedFileError("image-ambiguous", f"{len(found)} image volumes fit to it", segments.path)


def _holds(stack: Stack, segments: Segments) -> bool:
    return not segments.instances.isdisjoint(str(read_header(path).SOPInstanceUID) for path in stack.paths)


def _number(pairs: list[tuple[Stack, list[Segments]]]) -> list[SourceCase]:
    """Name patients and cases by the hashes of their series, so that no identity is left."""
    patients: dict[str, list[tuple[str, Stack, list[Segments]]]] = defaultdict(list)
    for stack, segments in pairs:
        digest = hashlib.sha256(f"{stack.series} {stack.slices[0][2]}".encode()).hexdigest()
        patients[stack.patient].append((digest, stack, segments))
    ordered = sorted(patients.values(), key=lambda owned: min(digest for digest, _, _ in owned))
    width = max(3, len(str(len(ordered))))
    cases = []
    for number, owned in enumerate(ordered, start=1):
        patient = f"patient-{number:0{width}d}"
        for count, (_, stack, segments) in enumerate(sorted(owned, key=lambda entry: entry[0]), start=1):
            references = tuple(sorted(found.path for found in segments))
            cases.append(SourceCase(f"{patient}-{count}", patient, "", stack.paths, references))
    return cases


def _classes(pairs: list[tuple[Stack, list[Segments]]]) -> Classes | None:
    """Class names in the order of their smallest segment number."""
    smallest: dict[str, int] = {}
    for _, segments in pairs:
        for number, name in (item for found in segments for item in found.names.items()):
            smallest[name] = min(number, smallest.get(name, number))
    ordered = sorted(smallest, key=lambda name: (smallest[name], name))
    return {name: value for value, name in enumerate(ordered, start=1)} or None


def _modality(found: set[str]) -> Modality | None:
    names: set[Modality | None] = {MODALITIES.get(name) for name in found}
    return names.pop() if len(names) == 1 else None


def load_image(case: SourceCase, modality: Modality) -> Image:
    """Read the slices of a series."""
    return read_series(case.images)


def load_reference(case: SourceCase, grid: Geometry) -> Reference:
    """Draw the segments on the grid of the image."""
    return read_segments(case.references, grid)


def find_classes(listing: Listing) -> Classes:
    """The segment labels; none where no segment was found."""
    return listing.classes or {}


DICOM_SEG = Layout(
    name="dicom-seg",
    description="dicom-seg: a tree of DICOM files with image series and DICOM SEG objects, any folders and names",
    recognise=recognise,
    read=read,
    load_image=load_image,
    load_reference=load_reference,
    find_classes=find_classes,
)
