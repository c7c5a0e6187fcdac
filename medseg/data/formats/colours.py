"""Reference masks that show every class in a colour of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor
from scipy import ndimage

from medseg.data.formats.raster import open_picture
from medseg.data.image import Image, from_picture
from medseg.errors import RejectedFileError

BACKGROUND_COLOUR = (0, 0, 0)
AREA = np.ones((3, 3), dtype=bool)  # blurred edges are thinner, a class that the card forgot fills more


def read_colour_mask(path: Path, colours: Mapping[str, str], tolerance: int) -> Image:
    """Give every pixel the class of the nearest colour; black, and whatever is nearer to it, is background.

    Args:
        colours: class to colour, as ``PIL.ImageColor`` reads it.
        tolerance: levels of red, green or blue that an area may be off the nearest colour. Pixels of edges, which
            JPEG and resizing blend, may be off by any.

    Returns:
        (1, I, J, 1) uint8: 1 for the first class, 2 for the second, and so on.

    Raises:
        RejectedFileError: as ``open_picture``, or ``unknown-colour`` for an area of any other colour.
    """
    palette = np.array([BACKGROUND_COLOUR, *(ImageColor.getrgb(colour)[:3] for colour in colours.values())])
    pixels = np.asarray(open_picture(path).convert("RGB")).astype(np.int32)
    nearest = np.argmin(np.stack([((pixels - colour) ** 2).sum(axis=2) for colour in palette]), axis=0)
    _refuse_unknown(pixels, np.abs(pixels - palette[nearest]).max(axis=2) > tolerance, path)
    array, affine = from_picture(nearest.astype(np.uint8))
    return Image(array[None], affine)


def _refuse_unknown(pixels: NDArray, far: NDArray, path: Path) -> None:
    areas = ndimage.binary_erosion(far, AREA)
    if areas.any():
        red, green, blue = pixels[areas][0]
        reason = f"an area has the colour rgb({red}, {green}, {blue}), which is not near that of any class"
        raise RejectedFileError("unknown-colour", reason, path)
