"""Voxels behind a text header, as NRRD and MetaImage store them: plain, compressed, or as numbers in text."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medseg.types import Affine

Encoding = Literal["raw", "gzip", "bzip2", "zlib", "text"]
MOST_AXES = 16
_WINDOW_BITS = {"gzip": 31, "zlib": 15}
_TEXT_BYTES = 400  # per number, the longest that any program writes


@dataclass(frozen=True)
class VolumeHeader:
    """What a text header says.

    Attributes:
        sizes: voxels along each axis, the fastest first; without the axis of the components.
        components: numbers per voxel.
        affine_lps: 4x4, index of the first three axes to LPS mm; None where no voxel size is given.
        data_file: name of the file with the voxels; empty where they follow the header.
        offset: of the first byte after the header.
        skip: bytes before the voxels, -1 where they are the last of their file.
        text: fields that are not about the grid.
    """

    sizes: tuple[int, ...]
    components: int
    dtype: np.dtype
    encoding: Encoding
    affine_lps: Affine | None
    data_file: str
    offset: int
    skip: int = 0
    text: Mapping[str, str] = field(default_factory=dict)


def read_block(raw: memoryview, header: VolumeHeader) -> NDArray:
    """The voxels, indexed in the order of ``header.sizes``.

    Args:
        raw: everything behind the header, or the file that holds the voxels.

    Raises:
        ValueError: there are fewer or more voxels than the header promises, or they are damaged.
    """
    count = int(np.prod(header.sizes, dtype=object)) * header.components
    needed = count * header.dtype.itemsize
    if header.encoding == "text":
        return _from_text(raw, count, header).reshape(header.sizes[::-1]).T
    content = raw
    if header.encoding != "raw":
        content = memoryview(_decompressed(raw, needed + max(header.skip, 0), header.encoding))
    start = len(content) - needed if header.skip < 0 else header.skip
    if start < 0 or start + needed > len(content):
        raise ValueError(f"the header promises {needed} bytes of voxels, the file holds {len(content)}")
    return np.frombuffer(content[start : start + needed], header.dtype).reshape(header.sizes[::-1]).T


def _decompressed(raw: memoryview, needed: int, encoding: Encoding) -> bytes:
    """At most one byte more than needed is unpacked, whatever the file would unpack to."""
    stream = bz2.BZ2Decompressor() if encoding == "bzip2" else zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        content = stream.decompress(raw, needed + 1)
        if not stream.eof and len(content) <= needed:  # the checksum may still lie behind the last voxel
            rest = b"" if isinstance(stream, bz2.BZ2Decompressor) else stream.unconsumed_tail
            content += stream.decompress(rest, 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"compressed voxels are damaged: {error}") from error
    if len(content) != needed or not stream.eof:
        state = "more" if len(content) > needed else "fewer, or its end is missing"
        raise ValueError(f"the header promises {needed} bytes of voxels, the file holds {state}")
    return content


def _from_text(raw: memoryview, count: int, header: VolumeHeader) -> NDArray:
    if len(raw) < count:
        raise ValueError(f"the header promises {count} voxels, the file holds {len(raw)} bytes of text")
    words = bytes(raw[: count * _TEXT_BYTES]).split(maxsplit=count)[:count]
    if len(words) < count:
        raise ValueError(f"the header promises {count} voxels, the file holds {len(words)}")
    return np.array(words, dtype=np.float64).astype(header.dtype)
