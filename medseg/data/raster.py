"""PNG and JPEG pictures as images and as reference masks."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from medseg.data.image import Image, from_picture
from medseg.errors import RejectedFileError

_FORMATS = ("PNG", "JPEG")  # by content; other decoders stay closed
_JPEG_COLOUR_NOISE = 8  # grey levels that the channels of a grey JPEG may differ by
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, PIL.Image.DecompressionBombError)


@dataclass(frozen=True)
class Mask:
    """A drawn reference.

    Attributes:
        image: (1, I, J, 1) uint8 or uint16: grey levels, or palette indices where the picture has a palette.
        lossy: compressed as JPEG, so grey levels are not exact.
    """

    image: Image
    lossy: bool


def read_picture(path: Path, rgb: bool) -> Image:
    """Read a picture as 3 colour channels (``rgb``) or as one channel of luminance.

    Alpha is dropped; palettes and CMYK are resolved; 16-bit grey stays 16-bit.

    Raises:
        RejectedFileError: ``empty-file``, ``unreadable-picture`` (also truncated ones).
    """
    picture = _open(path)
    if picture.mode.startswith("I"):
        planes = [_sixteen_bit(picture, path)] * (3 if rgb else 1)
    elif rgb:
        planes = list(np.moveaxis(np.asarray(picture.convert("RGB")), 2, 0))
    else:
        planes = [_luminance(picture)]
    placed = [from_picture(plane) for plane in planes]
    return Image(np.stack([array for array, _ in placed]), placed[0][1])


def read_mask(path: Path) -> Mask:
    """Read a drawn reference; what its grey levels mean is decided by ``labels``.

    Raises:
        RejectedFileError: as ``read_picture``, or ``colour-mask``.
    """
    picture = _open(path)
    lossy = picture.format == "JPEG"
    if picture.mode.startswith("I"):
        plane = _sixteen_bit(picture, path)
    elif picture.mode == "P":
        plane = np.asarray(picture)
    else:
        _refuse_colours(picture, lossy, path)
        plane = _luminance(picture)
    array, affine = from_picture(plane)
    return Mask(Image(array[None], affine), lossy)


def _open(path: Path) -> PIL.Image.Image:
    try:
        if path.stat().st_size == 0:
            raise RejectedFileError("empty-file", "has 0 bytes", path)
        with PIL.Image.open(path, formats=_FORMATS) as picture:
            picture.load()
            return picture
    except PIL.UnidentifiedImageError as error:
        raise RejectedFileError("unreadable-picture", "is neither PNG nor JPEG", path) from error
    except _DAMAGED as error:
        raise RejectedFileError("unreadable-picture", f"picture is damaged: {error}", path) from error


def _luminance(picture: PIL.Image.Image) -> NDArray:
    """(rows, columns) uint8; ITU-R 601 weights sum to 1, so equal channels keep their value."""
    opaque = picture.convert("RGB") if picture.mode in ("P", "PA", "RGBA", "CMYK", "YCbCr", "LAB") else picture
    return np.asarray(opaque.convert("L"))


def _sixteen_bit(picture: PIL.Image.Image, path: Path) -> NDArray:
    plane = np.asarray(picture)
    if plane.min() < 0 or plane.max() > np.iinfo(np.uint16).max:
        raise RejectedFileError("unreadable-picture", f"grey levels up to {plane.max()}, need at most 16 bit", path)
    return plane.astype(np.uint16)


def _refuse_colours(picture: PIL.Image.Image, lossy: bool, path: Path) -> None:
    if picture.mode in ("1", "L", "LA"):
        return
    colours = np.asarray(picture.convert("RGB")).astype(np.int16)
    if np.ptp(colours, axis=2).max() > (_JPEG_COLOUR_NOISE if lossy else 0):
        raise RejectedFileError(
            "colour-mask", "mask is drawn in colours; need grey levels or palette indices that are class values", path
        )
