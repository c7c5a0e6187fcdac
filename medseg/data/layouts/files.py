"""Image files of every format: read as images or references, with the text fields of their headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from medseg.artifacts import Modality
from medseg.config import ToleranceConfig
from medseg.data.formats.itk import itk_text, read_itk, read_itk_reference
from medseg.data.formats.nifti import read_nifti, read_nifti_reference
from medseg.data.formats.nifti_text import nifti_text
from medseg.data.formats.raster import read_mask, read_picture
from medseg.data.image import Image, match_tolerance_mm, with_kept_dtype
from medseg.data.labels import Reference
from medseg.data.layouts.listing import Loaded
from medseg.data.layouts.names import DETACHED_VOXELS, ITK_ENDINGS, PICTURE_ENDINGS
from medseg.errors import RejectedFileError

_TOOLS = ("Software", "Make", "Model")  # name programs and devices, never people


def read_images(paths: Sequence[Path], modality: Modality, fourth_axis: bool, tolerances: ToleranceConfig) -> Loaded:
    """Read one file per channel, or one file with all channels.

    Args:
        fourth_axis: channels are the fourth axis of a NIfTI file.

    Raises:
        RejectedFileError: as ``read_nifti``, ``read_itk`` and ``read_picture``, or ``channel-geometry``.
    """
    headers = with_voxels(paths)
    read = [_read(path, voxels, modality, fourth_axis) for path, voxels in headers.items()]
    images = [image for image, _ in read]
    first = images[0].geometry
    for image, path in zip(images[1:], list(headers)[1:], strict=True):
        if not image.geometry.matches(first, match_tolerance_mm(first, tolerances)):
            raise RejectedFileError("channel-geometry", "does not lie on the grid of the first channel", path)
    array = np.concatenate([image.array for image in images]) if len(images) > 1 else images[0].array
    texts = [text for _, found in read for text in found.items()]
    return Loaded(
        Image(with_kept_dtype(array), images[0].affine),
        removed={name: "removed" for name, _ in texts},
        identities=identities_of(texts),
    )


def identities_of(texts: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Of fields and their texts, the texts that may name a person."""
    return frozenset(text for name, text in texts if text.strip() and not name.endswith(_TOOLS))


def read_reference(path: Path, voxels: Path | None = None) -> Reference:
    """Read the class values of one file; files carry their own grid.

    Args:
        voxels: the file that holds the voxels of a header, if another one does.

    Raises:
        RejectedFileError: as ``read_nifti_reference``, ``read_itk_reference`` and ``read_mask``.
    """
    if _ends(path, PICTURE_ENDINGS):
        mask = read_mask(path)
        return Reference(mask.image, drawn=True, lossy=mask.lossy)
    return Reference(read_itk_reference(path, voxels) if _ends(path, ITK_ENDINGS) else read_nifti_reference(path))


def with_voxels(paths: Sequence[Path]) -> dict[Path, Path | None]:
    """Every file that can be read, and the one that follows it if that holds nothing but its voxels."""
    followers = (*paths[1:], None)
    return {
        path: follower if follower and _ends(follower, DETACHED_VOXELS) else None
        for path, follower in zip(paths, followers, strict=True)
        if not _ends(path, DETACHED_VOXELS)
    }


def _read(path: Path, voxels: Path | None, modality: Modality, fourth_axis: bool) -> tuple[Image, Mapping[str, str]]:
    if _ends(path, PICTURE_ENDINGS):
        picture = read_picture(path, rgb=modality == "rgb")
        return picture.image, picture.text
    if _ends(path, ITK_ENDINGS):
        return read_itk(path, voxels), itk_text(path)
    return read_nifti(path, channels=fourth_axis), nifti_text(path)


def _ends(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(endings)
