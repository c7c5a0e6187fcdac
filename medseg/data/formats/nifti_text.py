"""Text fields and extensions of NIfTI headers: they may name a patient, and none of them is kept."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Protocol

import nibabel
import numpy as np

FIELDS = ("descrip", "aux_file", "intent_name", "db_name", "data_type")
LARGEST_EXTENSIONS = 1 << 20  # bytes; a header may promise any number

_GZIP_MAGIC = b"\x1f\x8b"
_HEADERS = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def nifti_text(path: Path) -> dict[str, str]:
    """Field and its text, for every text that is not empty; what cannot be read as text has none.

    Args:
        path: a file that ``read_nifti`` reads.
    """
    with path.open("rb") as raw:
        compressed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        raw.seek(0)
        try:
            if not compressed:
                return _text(raw)
            with gzip.open(raw) as file:
                return _text(file)
        except (OSError, EOFError, zlib.error):  # met, and refused, when the voxels are read
            return {}


def _text(file: _Readable) -> dict[str, str]:
    block = file.read(540)
    sizes = {int.from_bytes(block[:4], "little"), int.from_bytes(block[:4], "big")}
    size = next((size for size in _HEADERS if size in sizes), None)
    if size is None or len(block) < size:
        return {}
    header = _HEADERS[size](block[:size], check=False)
    names = header.structarr.dtype.names
    found = {f"NIfTI {name}": _plain(header[name].tobytes()) for name in FIELDS if name in names}
    offset = int(np.nan_to_num(np.clip(header["vox_offset"], size, size + LARGEST_EXTENSIONS), nan=size))
    rest = (block + file.read(max(0, offset - len(block))))[size:offset]
    if len(rest) > 4 and rest[0]:
        found["NIfTI extension"] = _plain(rest[12:]) or " "
    return {name: text for name, text in found.items() if text}


def _plain(raw: bytes) -> str:
    return raw.rstrip(b"\0 ").decode("utf-8", "replace").strip("\0 \n")
