"""Headers of NRRD files, as https://teem.sourceforge.net/nrrd/format.html defines them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from medseg.data.formats.volume_block import MOST_AXES, Encoding, VolumeHeader
from medseg.types import Affine

MAGIC = b"NRRD"
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_KINDS = {name: kind for kind, names in _TYPES.items() for name in names}
_ENCODINGS: dict[str, Encoding] = {
    **dict.fromkeys(("gzip", "gz"), "gzip"),
    **dict.fromkeys(("bzip2", "bz2"), "bzip2"),
    **dict.fromkeys(("txt", "text", "ascii"), "text"),
    "raw": "raw",
}
_TO_LPS = {  # signs of the first three axes; other spaces are taken as they are, as ITK does
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1, -1, 1)),
    **dict.fromkeys(("left-anterior-superior", "las"), (1, -1, 1)),
}
_GRID_FIELDS = {
    *("dimension", "type", "blocksize", "encoding", "endian", "sizes", "spacings", "thicknesses", "axismins"),
    *("axismaxs", "centers", "centerings", "labels", "units", "kinds", "min", "max", "oldmin", "oldmax", "lineskip"),
    *("byteskip", "datafile", "space", "spacedimension", "spaceunits", "spaceorigin", "spacedirections"),
    *("measurementframe", "sampleunits"),
}
_STANDARD_COMMENTS = ("# Complete NRRD file format specification at:", "# http://teem.sourceforge.net/nrrd/format.html")


def read_nrrd_header(raw: bytes) -> VolumeHeader:
    """Parse the beginning of a file.

    Raises:
        ValueError: a field is missing or makes no sense; says which.
    """
    end = re.search(rb"\r?\n\r?\n", raw)
    fields = _fields(raw[: end.start() if end else len(raw)].decode("utf-8", "replace"))
    dimension = _whole(fields, "dimension")
    sizes = tuple(int(word) for word in fields.get("sizes", "").split())
    if not 1 <= dimension <= MOST_AXES or len(sizes) != dimension or min(sizes) < 1:
        raise ValueError(f"sizes {sizes} do not fit to the dimension {dimension}")
    if int(fields.get("lineskip", 0)):
        raise ValueError("lines to skip are not handled")
    spatial, directions = _directions(fields, dimension)
    others = [size for axis, size in enumerate(sizes) if axis not in spatial]
    components = int(np.prod(others, dtype=object)) if others else 1
    name = fields.get("datafile", "")
    return VolumeHeader(
        sizes=tuple(sizes[axis] for axis in spatial) if components == 1 else sizes,
        components=components,
        dtype=_dtype(fields),
        encoding=_encoding(fields),
        affine_lps=None if directions is None else _affine(fields, directions),
        data_file=name,
        offset=end.end() if end else len(raw),
        skip=int(fields.get("byteskip", 0)),
        text={f"NRRD {field}": text for field, text in fields.items() if field not in _GRID_FIELDS and text},
    )


def _fields(text: str) -> dict[str, str]:
    """Field in lower case without blanks, key as it is, and comments, each with its text."""
    found: dict[str, str] = {}
    for line in text.splitlines()[1:]:
        if line.startswith(_STANDARD_COMMENTS):
            continue
        if line.startswith("#"):
            found["comment"] = f"{found.get('comment', '')} {line.lstrip('# ')}".strip()
        elif key := re.match(r"([^:]*):=(.*)", line):
            found[f"{key[1]}:="] = key[2].strip()
        elif pair := re.match(r"([^:]*):(.*)", line):
            found[re.sub(r"\s", "", pair[1]).lower()] = pair[2].strip()
    return found


def _whole(fields: Mapping[str, str], name: str) -> int:
    if not fields.get(name, "").isdigit():
        raise ValueError(f"{name} is {fields.get(name)!r}, must be a whole number")
    return int(fields[name])


def _dtype(fields: Mapping[str, str]) -> np.dtype:
    kind = _KINDS.get(fields.get("type", "").lower())
    if kind is None:
        raise ValueError(f"type {fields.get('type')!r} is not one of numbers")
    order = {"little": "<", "big": ">"}.get(fields.get("endian", "little" if kind.endswith("1") else "").lower())
    if order is None and _encoding(fields) != "text":
        raise ValueError(f"endian is {fields.get('endian')!r}, must be little or big")
    return np.dtype(f"{order or '<'}{kind}")


def _encoding(fields: Mapping[str, str]) -> Encoding:
    encoding = _ENCODINGS.get(fields.get("encoding", "").lower())
    if encoding is None:
        raise ValueError(f"encoding {fields.get('encoding')!r} is not handled")
    return encoding


def _directions(fields: Mapping[str, str], dimension: int) -> tuple[list[int], NDArray | None]:
    """Axes that are in space, and one row per axis with its step in mm; None where no step is known."""
    if text := fields.get("spacedirections"):
        words = re.findall(r"none|\([^)]*\)", text)
        spatial = [axis for axis, word in enumerate(words) if word != "none"]
        rows = [[float(number) for number in words[axis].strip("()").split(",")] for axis in spatial]
        if len(words) != dimension or len({len(row) for row in rows}) != 1:
            raise ValueError(f"space directions {text[:80]!r} do not fit to the dimension {dimension}")
        return spatial, np.array(rows)
    if text := fields.get("spacings"):
        steps = [float(number) for number in text.split()]
        if len(steps) != dimension:
            raise ValueError(f"{len(steps)} spacings do not fit to the dimension {dimension}")
        spatial = [axis for axis, step in enumerate(steps) if not np.isnan(step)]
        return spatial, np.diag([steps[axis] for axis in spatial])
    return list(range(dimension)), None


def _affine(fields: Mapping[str, str], directions: NDArray) -> Affine:
    steps = directions[:3, :3]
    affine = np.eye(4)
    affine[: steps.shape[1], : steps.shape[0]] = steps.T
    if text := fields.get("spaceorigin"):
        origin = [float(number) for number in text.strip("()").split(",")][:3]
        affine[: len(origin), 3] = origin
    space = fields.get("space", "").lower().removesuffix("-time").removesuffix("t")
    return np.diag([*_TO_LPS.get(space, (1, 1, 1)), 1]) @ affine
