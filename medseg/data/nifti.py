"""NIfTI files: read with every check that nibabel leaves out, written byte for byte the same each time."""

from __future__ import annotations

import gzip
import logging
import zlib
from io import BytesIO
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from medseg.data.image import Image, to_ras, with_kept_dtype
from medseg.errors import RejectedFileError
from medseg.types import Affine

GZIP_MAGIC = b"\x1f\x8b"
COMPRESSION_LEVEL = 4  # a fraction of the time of Python's default 9 for nearly its size

logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # its header repairs are refused or said by us

_HEADERS: dict[int, type[nibabel.Nifti1Image] | type[nibabel.Nifti2Image]] = {
    348: nibabel.Nifti1Image,
    540: nibabel.Nifti2Image,
}


def read_nifti(path: Path, channels: bool = False) -> Image:
    """Read a volume into RAS+; the content decides whether it is compressed, not the name.

    Args:
        channels: a fourth axis holds channels; otherwise it is refused unless its length is 1.

    Raises:
        RejectedFileError: ``empty-file``, ``damaged-gzip`` (also a wrong CRC, which nibabel does not check),
            ``unreadable-nifti``, ``truncated``, ``no-affine``, ``colour-voxels``, ``complex-voxels``,
            ``four-dimensional``, ``non-finite-voxels``.
    """
    nifti = _parse(_content(path), path)
    _check_voxel_type(nifti, path)
    _check_affine(nifti, path)
    shape = _shape(nifti, channels, path)
    try:
        array = np.asanyarray(nifti.dataobj).reshape(shape)
    except (OSError, ValueError, EOFError) as error:
        raise RejectedFileError("truncated", f"voxels cannot be read: {error}", path) from error
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int(array.size - np.isfinite(array).sum())
        raise RejectedFileError("non-finite-voxels", f"{count} of {array.size} voxels are NaN or infinite", path)
    volume, affine = to_ras(array, np.asarray(nifti.affine, dtype=np.float64))
    return Image(with_kept_dtype(np.moveaxis(volume, 3, 0)), affine)


def read_nifti_reference(path: Path) -> Image:
    """Read class values as one channel of integers.

    Raises:
        RejectedFileError: as ``read_nifti``, or ``non-integer-values``.
    """
    image = read_nifti(path)
    if image.array.dtype.kind != "f":
        return image
    rounded = np.rint(image.array)
    if not np.array_equal(rounded, image.array):
        example = image.array[rounded != image.array][0]
        raise RejectedFileError("non-integer-values", f"class values must be whole numbers, found {example:g}", path)
    return Image(rounded.astype(np.int64), image.affine)


def write_nifti(path: Path, array: NDArray, affine: Affine) -> None:
    """Write (I, J, K) voxels with a fresh header: no text fields, equal bytes for equal voxels."""
    nifti = nibabel.Nifti1Image(array, affine)
    nifti.set_qform(affine, code="scanner")
    nifti.set_sform(affine, code="scanner")
    nifti.header.set_xyzt_units("mm")
    path.write_bytes(gzip.compress(nifti.to_bytes(), COMPRESSION_LEVEL, mtime=0))


def _content(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RejectedFileError("unreadable-file", f"cannot be read: {error.strerror}", path) from error
    if not raw:
        raise RejectedFileError("empty-file", "has 0 bytes", path)
    if not raw.startswith(GZIP_MAGIC):
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise RejectedFileError("damaged-gzip", f"gzip stream is damaged: {error}", path) from error


def _parse(data: bytes, path: Path) -> nibabel.Nifti1Image:
    sizes = {int.from_bytes(data[:4], "little"), int.from_bytes(data[:4], "big")}
    kind = next((_HEADERS[size] for size in sizes if size in _HEADERS), None)
    if kind is None:
        raise RejectedFileError("unreadable-nifti", "does not begin with a NIfTI header", path)
    try:
        nifti = kind.from_stream(BytesIO(data))
    except (ImageFileError, HeaderDataError, OSError, ValueError, KeyError) as error:
        raise RejectedFileError("unreadable-nifti", f"NIfTI header is damaged: {error}", path) from error
    voxels = int(np.prod(nifti.shape, dtype=object))  # Python's integers: a damaged header may promise anything
    needed = int(nifti.header.get_data_offset()) + voxels * nifti.get_data_dtype().itemsize
    if len(data) < needed:
        raise RejectedFileError("truncated", f"the header promises {needed} bytes, the file holds {len(data)}", path)
    unrepaired = kind.header_class(data[: kind.header_class.sizeof_hdr], check=False)  # nibabel turns 0 mm into 1 mm
    nifti.header["pixdim"] = unrepaired["pixdim"]
    return nifti


def _check_voxel_type(nifti: nibabel.Nifti1Image, path: Path) -> None:
    dtype = nifti.get_data_dtype()
    if dtype.fields:
        raise RejectedFileError("colour-voxels", "voxels are RGB colours, need one number per voxel", path)
    if dtype.kind == "c":
        raise RejectedFileError("complex-voxels", "voxels are complex numbers, need real ones", path)


def _check_affine(nifti: nibabel.Nifti1Image, path: Path) -> None:
    header = nifti.header
    if not (header["sform_code"] or header["qform_code"]) and not (np.asarray(header["pixdim"][1:4]) > 0).all():
        raise RejectedFileError("no-affine", "has neither qform, sform nor a voxel size: its scale is unknown", path)
    finite = np.isfinite(nifti.affine).all()
    if not finite or np.isnan(nibabel.orientations.io_orientation(nifti.affine)).any():
        raise RejectedFileError("no-affine", f"affine {nifti.affine[:3, :3].tolist()} cannot be inverted", path)


def _shape(nifti: nibabel.Nifti1Image, channels: bool, path: Path) -> tuple[int, int, int, int]:
    sizes = [*nifti.shape, 1, 1, 1, 1]
    if 0 in nifti.shape or not nifti.shape:
        raise RejectedFileError("unreadable-nifti", f"shape {nifti.shape} holds no voxel", path)
    extra = [size for size in sizes[3:] if size > 1]
    if len(extra) > 1 or (extra and not channels):
        raise RejectedFileError("four-dimensional", f"shape {nifti.shape}: need one volume of three axes", path)
    i, j, k = sizes[:3]
    return i, j, k, extra[0] if extra else 1
