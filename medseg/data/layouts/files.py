"""Image files with reference files beside them: pairing by name, and reading NIfTI and pictures alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medseg.artifacts import Modality
from medseg.data.image import Image, with_kept_dtype
from medseg.data.labels import Classes, Reference, found_classes
from medseg.data.layouts.listing import Listing, Rejection, Source, SourceCase
from medseg.data.layouts.names import PICTURE_ENDINGS, case_name, channel, stem
from medseg.data.nifti import read_nifti, read_nifti_reference
from medseg.data.raster import read_mask, read_picture
from medseg.errors import RejectedFileError
from medseg.types import Geometry

MATCH_TOLERANCE = 0.1  # of a voxel, between the channels of an image and between image and reference
MATCH_TOLERANCE_MM = 1.0


def pair_folders(
    source: Source, images: str, references: str, listing: Listing, split: str = "", suffix: bool | None = None
) -> None:
    """Add the cases of one image folder and one reference folder to the listing.

    Args:
        split: given to every case.
        suffix: image names end in a channel such as ``_0000``; None decides by which reference exists.
    """
    drawn = _references(source, references, listing)
    groups: dict[str, dict[int, str]] = defaultdict(dict)
    for name in source.inside(images):
        found = stem(name)
        if found is None:
            continue
        owner, number = _owner(found, drawn, suffix)
        path = f"{images}/{name}"
        if number in groups[owner]:
            twice = f"case {case_name(owner)} already has {groups[owner][number]}"
            listing.rejected.append(Rejection(path, "duplicate-case", twice))
        else:
            groups[owner][number] = path
    taken = {case.case for case in listing.cases}
    for owner, channels in groups.items():
        paths = [channels[number] for number in sorted(channels)]
        fault = _fault(owner, channels, owner in drawn, taken, references)
        if fault:
            paths += [drawn[owner]] if owner in drawn else []
            listing.rejected.extend(Rejection(path, *fault) for path in paths)
            continue
        case = case_name(owner)
        taken.add(case)
        files = tuple(source.path(path) for path in paths)
        listing.cases.append(SourceCase(case, case, split, files, (source.path(drawn[owner]),)))
    for owner in sorted(set(drawn) - set(groups)):
        listing.rejected.append(Rejection(drawn[owner], "image-missing", f"{images}/ holds no image {owner}"))


def _references(source: Source, folder: str, listing: Listing) -> dict[str, str]:
    drawn: dict[str, str] = {}
    for name in source.inside(folder):
        found = stem(name)
        if found is None:
            continue
        if found in drawn:
            reason = f"{found} already has the reference {drawn[found]}"
            listing.rejected.append(Rejection(f"{folder}/{name}", "duplicate-case", reason))
        else:
            drawn[found] = f"{folder}/{name}"
    return drawn


def _owner(image_stem: str, drawn: dict[str, str], suffix: bool | None) -> tuple[str, int]:
    numbered = channel(image_stem)
    if suffix is None:
        suffix = image_stem not in drawn and numbered is not None and numbered[0] in drawn
    return numbered if numbered and suffix else (image_stem, 0)


def _fault(
    owner: str, channels: dict[int, str], has_reference: bool, taken: set[str], references: str
) -> tuple[str, str] | None:
    """Code and reason why the files of one image make no case."""
    if not has_reference:
        return "reference-missing", f"{references}/ holds no reference {owner}"
    if case_name(owner) in taken:
        return "duplicate-case", f"another input already has the case name {case_name(owner)}"
    if len(channels) != max(channels) + 1:
        return "channel-missing", f"has channels {sorted(channels)}; they must be 0, 1, 2 … without a gap"
    return None


def load_image(case: SourceCase, modality: Modality) -> Image:
    """Read one file per channel, or one picture with its colours.

    Raises:
        RejectedFileError: as ``read_nifti`` and ``read_picture``, or ``channel-geometry``.
    """
    channels = [_read_image(path, modality) for path in case.images]
    first = channels[0].geometry
    for other, path in zip(channels[1:], case.images[1:], strict=True):
        if not other.geometry.matches(first, match_tolerance_mm(first)):
            reason = f"does not lie on the grid of {case.images[0].name}"
            raise RejectedFileError("channel-geometry", reason, path)
    array = np.concatenate([image.array for image in channels])
    return Image(with_kept_dtype(array), channels[0].affine)


def match_tolerance_mm(grid: Geometry) -> float:
    """How far two grids may lie apart that are meant to be the same."""
    return min(MATCH_TOLERANCE_MM, MATCH_TOLERANCE * min(grid.spacing_mm))


def load_reference(case: SourceCase, grid: Geometry) -> Reference:
    """Read the reference file of a case; files carry their own grid."""
    return _read_reference(case.references[0])


def find_classes(listing: Listing) -> Classes:
    """The classes that the source names, else the values that occur in its references."""
    return listing.classes or found_classes(_readable_references(listing))


def _readable_references(listing: Listing) -> Iterator[Reference]:
    for case in listing.cases:
        try:
            yield _read_reference(case.references[0])
        except RejectedFileError:  # met again, and listed, when the case itself is read
            continue


def _read_image(path: Path, modality: Modality) -> Image:
    return read_picture(path, rgb=modality == "rgb") if _is_picture(path) else read_nifti(path)


def _read_reference(path: Path) -> Reference:
    if not _is_picture(path):
        return Reference(read_nifti_reference(path))
    mask = read_mask(path)
    return Reference(mask.image, drawn=True, lossy=mask.lossy)


def _is_picture(path: Path) -> bool:
    return path.name.lower().endswith(PICTURE_ENDINGS)
