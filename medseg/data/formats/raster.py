"""PNG, JPEG and TIFF pictures as images and as reference masks."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from medseg.data.formats.picture_text import picture_text
from medseg.data.image import Image, from_picture
from medseg.errors import RejectedFileError

warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # damage is refused, or said by us

_FORMATS = ("PNG", "JPEG", "TIFF")  # by content; other decoders stay closed
_LOSSY_FORMATS = ("JPEG", "MPO")
_LOSSY_COMPRESSION = ("jpeg", "tiff_jpeg")  # inside TIFF
_JPEG_COLOUR_NOISE = 8  # grey levels that the channels of a grey JPEG may differ by
MOST_PIXELS_PER_BYTE = 10_000  # deflate packs 1-bit pixels 8256-fold at most
SMALL_PIXELS = 1 << 20  # are never too many
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, KeyError, TypeError, struct.error)


@dataclass(frozen=True)
class Picture:
    """A picture as an image.

    Attributes:
        image: (1 or 3, I, J, 1).
        text: texts that the file holds besides.
    """

    image: Image
    text: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mask:
    """A drawn reference.

    Attributes:
        image: (1, I, J, 1) uint8 or uint16: grey levels, or palette indices where the picture has a palette.
        lossy: compressed as JPEG, so grey levels are not exact.
    """

    image: Image
    lossy: bool


def read_picture(path: Path, rgb: bool) -> Picture:
    """Read a picture as 3 colour channels (``rgb``) or as one channel of luminance.

    Alpha is dropped; palettes and CMYK are resolved; 16-bit grey and floating point stay as they are.

    Raises:
        RejectedFileError: ``empty-file``, ``unreadable-picture`` (also truncated ones), ``several-pictures``,
            ``non-finite-voxels``.
    """
    picture = open_picture(path)
    if is_deep(picture):
        planes = [_deep(picture, path)] * (3 if rgb else 1)
    elif rgb:
        planes = list(np.moveaxis(np.asarray(picture.convert("RGB")), 2, 0))
    else:
        planes = [_luminance(picture)]
    placed = [from_picture(plane) for plane in planes]
    return Picture(Image(np.stack([array for array, _ in placed]), placed[0][1]), picture_text(picture))


def read_mask(path: Path) -> Mask:
    """Read a drawn reference; what its grey levels mean is decided by ``labels``.

    Raises:
        RejectedFileError: as ``read_picture``, ``colour-mask``, or ``non-integer-values``.
    """
    picture = open_picture(path)
    if is_deep(picture):
        plane = _deep(picture, path)
        if plane.dtype.kind == "f":
            plane = _whole_numbers(plane, path)
    elif picture.mode == "P":
        plane = np.asarray(picture)
    else:
        _refuse_colours(picture, path)
        plane = _luminance(picture)
    array, affine = from_picture(plane)
    return Mask(Image(array[None], affine), is_lossy(picture))


def open_picture(path: Path) -> PIL.Image.Image:
    """Decode the single picture that a file holds; its content decides the format, not its name.

    Raises:
        RejectedFileError: ``empty-file``, ``unreadable-picture``, ``several-pictures``.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            raise RejectedFileError("empty-file", "has 0 bytes", path)
        with PIL.Image.open(path, formats=_FORMATS) as picture:
            _refuse_promises(picture, size, path)
            count = getattr(picture, "n_frames", 1)
            if count > 1 and picture.format == "TIFF":
                raise RejectedFileError("several-pictures", f"holds {count} pictures, need one", path)
            picture.load()
            return picture
    except PIL.UnidentifiedImageError as error:
        raise RejectedFileError("unreadable-picture", "is not PNG, JPEG or TIFF that can be read", path) from error
    except PIL.Image.DecompressionBombError as error:
        most = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0)
        raise RejectedFileError("unreadable-picture", f"has more than {most} pixels", path) from error
    except _DAMAGED as error:
        raise RejectedFileError("unreadable-picture", f"picture is damaged: {type(error).__name__}", path) from error


def _refuse_promises(picture: PIL.Image.Image, size: int, path: Path) -> None:
    """Damaged headers may promise any size, and filling that takes minutes."""
    pixels = picture.width * picture.height
    if pixels > SMALL_PIXELS + MOST_PIXELS_PER_BYTE * size:
        reason = f"the header promises {pixels} pixels, the file holds {size} bytes"
        raise RejectedFileError("unreadable-picture", reason, path)


def is_lossy(picture: PIL.Image.Image) -> bool:
    """Whether neighbouring colours may have run into each other."""
    return picture.format in _LOSSY_FORMATS or picture.info.get("compression") in _LOSSY_COMPRESSION


def is_deep(picture: PIL.Image.Image) -> bool:
    """Whether grey levels have more than 8 bit."""
    return picture.mode.startswith(("I", "F"))


def _luminance(picture: PIL.Image.Image) -> NDArray:
    """(rows, columns) uint8; ITU-R 601 weights sum to 1, so equal channels keep their value."""
    opaque = picture.convert("RGB") if picture.mode in ("P", "PA", "RGBA", "CMYK", "YCbCr", "LAB") else picture
    return np.asarray(opaque.convert("L"))


def _deep(picture: PIL.Image.Image, path: Path) -> NDArray:
    """(rows, columns) uint16 or float32."""
    plane = np.asarray(picture)
    if plane.dtype.kind == "f":
        if not np.isfinite(plane).all():
            raise RejectedFileError("non-finite-voxels", "holds pixels that are NaN or infinite", path)
        return plane
    if plane.min() < 0 or plane.max() > np.iinfo(np.uint16).max:
        raise RejectedFileError("unreadable-picture", f"grey levels up to {plane.max()}, need at most 16 bit", path)
    return plane.astype(np.uint16)


def _whole_numbers(plane: NDArray, path: Path) -> NDArray:
    rounded = np.rint(plane)
    if not np.array_equal(rounded, plane):
        example = plane[rounded != plane][0]
        raise RejectedFileError("non-integer-values", f"class values must be whole numbers, found {example:g}", path)
    return rounded.astype(np.int64)


def _refuse_colours(picture: PIL.Image.Image, path: Path) -> None:
    if picture.mode in ("1", "L", "LA"):
        return
    colours = np.asarray(picture.convert("RGB")).astype(np.int16)
    if np.ptp(colours, axis=2).max() > (_JPEG_COLOUR_NOISE if is_lossy(picture) else 0):
        raise RejectedFileError(
            "colour-mask", "mask is drawn in colours; give a layout card that says which colour is which class", path
        )
