"""Headers of MetaImage files (MHA, MHD), as https://itk.org/Wiki/ITK/MetaIO/Documentation describes them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from medseg.data.formats.volume_block import MOST_AXES, VolumeHeader
from medseg.types import Affine

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_GRID_FIELDS = {
    *("objecttype", "objectsubtype", "ndims", "dimsize", "elementtype", "elementdatafile", "elementspacing"),
    *("elementsize", "elementbyteordermsb", "binarydata", "binarydatabyteordermsb", "compresseddata"),
    *("compresseddatasize", "compressionlevel", "transformmatrix", "rotation", "orientation", "offset", "position"),
    *("origin", "centerofrotation", "anatomicalorientation", "elementnumberofchannels", "headersize", "modality"),
    *("elementmin", "elementmax", "elementnbits", "distanceunits", "itk_inputfiltername"),
}
_LAST_FIELD = "elementdatafile"


def read_metaimage_header(raw: bytes) -> VolumeHeader | None:
    """Parse the beginning of a file; None where it does not begin with fields up to ``ElementDataFile``.

    Raises:
        ValueError: a field is missing or makes no sense; says which.
    """
    found = _fields(raw)
    if found is None:
        return None
    fields, end = found
    sizes = tuple(int(word) for word in fields.get("dimsize", "").split())
    if not 1 <= len(sizes) <= MOST_AXES or min(sizes) < 1 or fields.get("ndims") != str(len(sizes)):
        raise ValueError(f"DimSize {sizes} does not fit to NDims {fields.get('ndims')!r}")
    kind = _TYPES.get(fields.get("elementtype", "").upper())
    if kind is None:
        raise ValueError(f"ElementType {fields.get('elementtype')!r} is not one of numbers")
    big = _true(fields, "elementbyteordermsb") or _true(fields, "binarydatabyteordermsb")
    binary = _true(fields, "binarydata") or "binarydata" not in fields
    name = fields[_LAST_FIELD]
    return VolumeHeader(
        sizes=sizes,
        components=int(fields.get("elementnumberofchannels", 1)),
        dtype=np.dtype(f"{'>' if big else '<'}{kind}"),
        encoding="zlib" if _true(fields, "compresseddata") else "raw" if binary else "text",
        affine_lps=_affine(fields, len(sizes)),
        data_file="" if name.upper() == "LOCAL" else name,
        offset=end,
        skip=int(fields.get("headersize", 0)),
        text={f"MetaImage {field}": text for field, text in fields.items() if field not in _GRID_FIELDS and text},
    )


def _fields(raw: bytes) -> tuple[dict[str, str], int] | None:
    """Field in lower case and its text, and where the header ends."""
    fields: dict[str, str] = {}
    end = 0
    for line in raw.split(b"\n"):
        name, sign, text = line.decode("utf-8", "replace").partition("=")
        if not sign:
            return None
        end += len(line) + 1
        fields[name.strip().lower()] = text.strip()
        if name.strip().lower() == _LAST_FIELD:
            return fields, end
    return None


def _true(fields: Mapping[str, str], name: str) -> bool:
    return fields.get(name, "").lower() in ("true", "1")


def _numbers(fields: Mapping[str, str], names: tuple[str, ...], count: int) -> list[float] | None:
    """The numbers of the first of these fields that is there."""
    text = next((fields[name] for name in names if name in fields), None)
    if text is None:
        return None
    numbers = [float(word) for word in text.split()]
    if len(numbers) != count:
        raise ValueError(f"{names[0]} has {len(numbers)} numbers, must have {count}")
    return numbers


def _affine(fields: Mapping[str, str], axes: int) -> Affine | None:
    spacing = _numbers(fields, ("elementspacing", "elementsize"), axes)
    if spacing is None:
        return None
    matrix = _numbers(fields, ("transformmatrix", "rotation", "orientation"), axes * axes) or np.eye(axes)
    origin = _numbers(fields, ("offset", "position", "origin"), axes) or [0.0] * axes
    used = min(axes, 3)
    affine = np.eye(4)
    rows = np.array(matrix).reshape(axes, axes)[:used, :used]  # one row per axis of the image
    affine[:used, :used] = rows.T * spacing[:used]
    affine[:used, 3] = origin[:used]
    return affine
