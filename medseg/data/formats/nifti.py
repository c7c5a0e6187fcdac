"""NIfTI files: read with every check that nibabel leaves out, written byte for byte the same each time."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from isal import igzip, isal_zlib
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from medseg.data.formats.voxels import check_finite, whole_numbers
from medseg.data.image import Image, to_ras, with_kept_dtype
from medseg.errors import RejectedFileError
from medseg.pool import core_count
from medseg.types import Affine

GZIP_MAGIC = b"\x1f\x8b"
COMPRESSION_LEVEL = 2  # of ISA-L: five times as fast as zlib's level 4 for 1 to 7% more bytes
MEMBER_BYTES = 8 * 2**20
HEADER_BYTES, VOXEL_OFFSET = 348, 352  # between them four zeros: no extensions
_GZIP_FAULTS: Any = (OSError, EOFError, isal_zlib.error)  # its type stubs take the last for a value

logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # its header repairs are refused or said by us

_HEADERS: dict[int, type[nibabel.Nifti1Image] | type[nibabel.Nifti2Image]] = {
    348: nibabel.Nifti1Image,
    540: nibabel.Nifti2Image,
}


def read_nifti(path: Path, channels: bool = False) -> Image:
    """Read a volume into RAS+; the content decides whether it is compressed, not the name.

    Args:
        channels: a fourth axis holds channels; otherwise it is refused unless its length is 1.

    Returns:
        An image whose voxels may be a view of the file's bytes, which cannot be written to.

    Raises:
        RejectedFileError: ``empty-file``, ``damaged-gzip`` (also a wrong CRC, which nibabel does not check),
            ``unreadable-nifti``, ``truncated``, ``no-affine``, ``colour-voxels``, ``complex-voxels``,
            ``four-dimensional``, ``non-finite-voxels``.
    """
    return nifti_image(_content(path), path, channels)


def nifti_image(content: bytes, path: Path, channels: bool = False) -> Image:
    """As ``read_nifti``, from the content of the file ``path``, which only names it in errors."""
    data = _decompressed(content, path)
    nifti = _parse(data, path)
    _check_voxel_type(nifti, path)
    _check_affine(nifti, path)
    array = _voxels(nifti, data, _shape(nifti, channels, path), path)
    check_finite(array, path)
    volume, affine = to_ras(array, np.asarray(nifti.affine, dtype=np.float64))
    return Image(with_kept_dtype(np.moveaxis(volume, 3, 0)), affine)


def read_nifti_reference(path: Path) -> Image:
    """Read class values as one channel of integers.

    Raises:
        RejectedFileError: as ``read_nifti``, or ``non-integer-values``.
    """
    return whole_numbers(read_nifti(path), path)


def write_nifti(path: Path, array: NDArray, affine: Affine) -> None:
    """Write (I, J, K) voxels with a fresh header: no text fields, equal bytes for equal voxels."""
    path.write_bytes(nifti_bytes(array, affine))


def nifti_bytes(array: NDArray, affine: Affine) -> bytes:
    """The compressed file that ``write_nifti`` writes."""
    return compressed(plain_nifti(array, affine))


def plain_nifti(array: NDArray, affine: Affine) -> bytearray:
    """The file before compression: its digest is the same on every machine and with every version of the compressor."""
    nifti = nibabel.Nifti1Image(array, affine)
    nifti.set_qform(affine, code="scanner")
    nifti.set_sform(affine, code="scanner")
    header = nifti.header
    header.set_xyzt_units("mm")
    header.set_slope_inter(1, 0)
    header.set_data_offset(VOXEL_OFFSET)
    data = bytearray(VOXEL_OFFSET + array.nbytes)
    data[:HEADER_BYTES] = header.binaryblock
    np.ndarray(array.shape, header.get_data_dtype(), data, VOXEL_OFFSET, order="F")[...] = array
    return data


def compressed(data: bytes | bytearray) -> bytes:
    """Gzip without time and name: a member for every 8 MiB, made side by side; equal bytes on one core and many."""
    parts = [memoryview(data)[start : start + MEMBER_BYTES] for start in range(0, len(data), MEMBER_BYTES)]
    if len(parts) == 1:
        return _member(parts[0])
    with ThreadPoolExecutor(core_count()) as threads:
        return b"".join(threads.map(_member, parts))


def _member(data: memoryview) -> bytes:
    return isal_zlib.compress(data, COMPRESSION_LEVEL, isal_zlib.MAX_WBITS | 16)


def header_bytes(plain: bytes | bytearray) -> bytes:
    """Everything in an uncompressed NIfTI-1 file of ours that is not voxels."""
    return bytes(plain[:VOXEL_OFFSET])


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RejectedFileError("unreadable-file", f"cannot be read: {error.strerror}", path) from error


def _decompressed(content: bytes, path: Path) -> bytes:
    if not content:
        raise RejectedFileError("empty-file", "has 0 bytes", path)
    if not content.startswith(GZIP_MAGIC):
        return content
    try:
        return igzip.decompress(content)
    except _GZIP_FAULTS as error:
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
    stored: Any = nifti.dataobj
    if stored.offset < kind.header_class.sizeof_hdr:
        raise RejectedFileError("unreadable-nifti", "is the header of a .hdr and .img pair: holds no voxels", path)
    needed = int(stored.offset) + voxels * nifti.get_data_dtype().itemsize
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


def _voxels(nifti: nibabel.Nifti1Image, data: bytes, shape: tuple[int, int, int, int], path: Path) -> NDArray:
    stored: Any = nifti.dataobj
    if (stored.slope, stored.inter) == (1, 0):
        return np.ndarray(shape, stored.dtype, data, stored.offset, order="F")
    try:
        return np.asanyarray(stored).reshape(shape)
    except (OSError, ValueError, EOFError) as error:
        raise RejectedFileError("truncated", f"voxels cannot be read: {error}", path) from error


def _shape(nifti: nibabel.Nifti1Image, channels: bool, path: Path) -> tuple[int, int, int, int]:
    sizes = [*nifti.shape, 1, 1, 1, 1]
    if 0 in nifti.shape or not nifti.shape:
        raise RejectedFileError("unreadable-nifti", f"shape {nifti.shape} holds no voxel", path)
    extra = [size for size in sizes[3:] if size > 1]
    if len(extra) > 1 or (extra and not channels):
        raise RejectedFileError("four-dimensional", f"shape {nifti.shape}: need one volume of three axes", path)
    i, j, k = sizes[:3]
    return i, j, k, extra[0] if extra else 1
