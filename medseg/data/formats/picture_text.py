"""Text in pictures: PNG text chunks, EXIF, XMP, IPTC, comments and TIFF tags; none of it is kept."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import PIL.Image
from PIL import ExifTags, ImageFile, IptcImagePlugin, TiffTags

_INNER = {"EXIF": ExifTags.IFD.Exif, "GPS": ExifTags.IFD.GPSInfo}
_LAYOUT_TAGS = {"StripOffsets", "StripByteCounts", "TileOffsets", "TileByteCounts", "ICCProfile", "JPEGTables"}
_DAMAGED = (OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError, EOFError, struct.error)


def picture_text(picture: PIL.Image.Image) -> dict[str, str]:
    """Field and its text, for every text in a loaded picture; what is there but cannot be read has the text `` ``."""
    found = {f"{picture.format} text {name}": str(text) for name, text in getattr(picture, "text", {}).items()}
    for name in ("comment", "xmp"):
        if raw := picture.info.get(name):
            found[f"{picture.format} {name}"] = _plain(raw)
    try:
        found |= dict(_tags(picture)) | dict(_iptc(picture))
    except _DAMAGED:
        found["EXIF"] = " "
    return {name: text or " " for name, text in found.items()}


def _tags(picture: PIL.Image.Image) -> Iterator[tuple[str, str]]:
    exif = picture.getexif()
    kind = "TIFF" if picture.format == "TIFF" else "EXIF"
    for group, tags in ((kind, exif), *((group, exif.get_ifd(number)) for group, number in _INNER.items())):
        for tag, value in tags.items():
            name = ExifTags.TAGS.get(tag) or TiffTags.lookup(tag).name
            if isinstance(value, str | bytes) and name not in _LAYOUT_TAGS:
                yield f"{group} {name}", _plain(value)


def _iptc(picture: PIL.Image.Image) -> Iterator[tuple[str, str]]:
    if not isinstance(picture, ImageFile.ImageFile):
        return
    for (record, number), value in (IptcImagePlugin.getiptcinfo(picture) or {}).items():
        text = b" ".join(value) if isinstance(value, list) else value
        yield f"IPTC {record}:{number}", _plain(text)


def _plain(raw: object) -> str:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    return text.strip("\0 \n")
