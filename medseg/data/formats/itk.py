"""NRRD and MetaImage (MHA, MHD) volumes, read with numpy alone: ITK's own readers crash on damaged headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medseg.data.formats.metaimage import read_metaimage_header
from medseg.data.formats.nrrd import MAGIC, read_nrrd_header
from medseg.data.formats.volume_block import VolumeHeader, read_block
from medseg.data.formats.voxels import check_finite, whole_numbers
from medseg.data.image import Image, from_lps, with_kept_dtype
from medseg.errors import RejectedFileError

LARGEST_HEADER = 1 << 20  # bytes
SMALLEST_VOLUME = 1e-3  # of a cell with edges of length 1; a flatter one has no inverse to rely on


def read_itk(path: Path, voxels: Path | None = None) -> Image:
    """Read a volume or picture into RAS+; the content decides which format it is.

    Args:
        voxels: the file that holds the voxels, if another one does.

    Raises:
        RejectedFileError: ``empty-file``, ``unreadable-file``, ``unreadable-nrrd``, ``unreadable-metaimage``,
            ``truncated``, ``no-affine``, ``detached-voxels``, ``colour-voxels``, ``four-dimensional``,
            ``non-finite-voxels``.
    """
    raw = _content(path)
    header = _header(raw, path)
    _check(header, path)
    if header.data_file:
        _check_name(header.data_file, voxels, path)
        raw = _content(voxels or path)
    try:
        array = read_block(memoryview(raw)[0 if header.data_file else header.offset :], header)
    except (ValueError, OverflowError, MemoryError) as error:
        raise RejectedFileError("truncated", f"voxels cannot be read: {error}", path) from error
    check_finite(array, path)
    affine_lps = np.eye(4) if header.affine_lps is None else header.affine_lps
    volume, affine = from_lps(array.reshape((*array.shape, 1, 1)[:3]), affine_lps)
    return Image(with_kept_dtype(volume[None]), affine)


def read_itk_reference(path: Path, voxels: Path | None = None) -> Image:
    """Read class values as one channel of integers.

    Raises:
        RejectedFileError: as ``read_itk``, or ``non-integer-values``.
    """
    return whole_numbers(read_itk(path, voxels), path)


def itk_text(path: Path) -> dict[str, str]:
    """Field and its text, for every field of the header that is not about the grid, and every comment."""
    with path.open("rb") as file:
        return dict(_header(file.read(LARGEST_HEADER), path).text)


def _content(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RejectedFileError("unreadable-file", f"cannot be read: {error.strerror}", path) from error
    if not raw:
        raise RejectedFileError("empty-file", "has 0 bytes", path)
    return raw


def _header(raw: bytes, path: Path) -> VolumeHeader:
    start = raw[:LARGEST_HEADER]
    kind = "nrrd" if start.startswith(MAGIC) else "metaimage"
    try:
        header = read_nrrd_header(start) if kind == "nrrd" else read_metaimage_header(start)
    except (ValueError, OverflowError) as error:
        raise RejectedFileError(f"unreadable-{kind}", f"header is damaged: {error}", path) from error
    if header is None:
        kind = "nrrd" if path.name.lower().endswith(("nrrd", "nhdr")) else kind
        raise RejectedFileError(f"unreadable-{kind}", "does not begin with a header of NRRD or MetaImage", path)
    return header


def _check(header: VolumeHeader, path: Path) -> None:
    """Refuse what is no volume of numbers in a known place."""
    if header.components != 1:
        raise RejectedFileError("colour-voxels", f"has {header.components} numbers per voxel, need one", path)
    if len(header.sizes) < 2 or any(size != 1 for size in header.sizes[3:]):
        raise RejectedFileError("four-dimensional", f"shape {header.sizes}: need one volume of three axes", path)
    if header.affine_lps is None:
        raise RejectedFileError("no-affine", "says nothing about the size of its voxels", path)
    matrix = header.affine_lps[:3, :3]
    lengths = np.linalg.norm(matrix, axis=0)
    finite = np.isfinite(header.affine_lps).all() and (lengths > 0).all() and np.isfinite(lengths).all()
    if not finite or abs(np.linalg.det(matrix / lengths)) < SMALLEST_VOLUME:
        raise RejectedFileError("no-affine", f"affine {matrix.tolist()} cannot be inverted", path)


def _check_name(name: str, voxels: Path | None, path: Path) -> None:
    """Only the file beside the header that has its name is read, whatever the header names."""
    stem = path.name.rpartition(".")[0]
    if voxels is None or name != voxels.name:
        reason = f"voxels lie in another file, which must be {stem}.raw, .raw.gz or .zraw beside the header"
        raise RejectedFileError("detached-voxels", reason, path)
