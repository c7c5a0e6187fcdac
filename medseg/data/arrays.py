"""Training arrays: Blosc2 files that are read in parts, with what belongs to their case beside the reference."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import array_key, reference_array_key
from medseg.data.steps import NativeGrid, PreparedCase
from medseg.errors import DataError

FOREGROUND_SAMPLES = 2_000  # positions per class: enough to centre patches on, small enough to read at once
# an eighth of ZSTD 3's time to write, half of it to read a patch, 10% more bytes
COMPRESSION = blosc2.CParams(codec=blosc2.Codec.LZ4, clevel=5, nthreads=1)
DECOMPRESSION = blosc2.DParams(nthreads=1)  # written into the file, which must not depend on the machine's cores


def image_bytes(case: PreparedCase) -> bytes:
    """The file ``array_key``."""
    return _packed(case.image, {})


def reference_bytes(case: PreparedCase) -> bytes:
    """The file ``reference_array_key``; it goes into a store after the image: where it is, the case is whole."""
    return _packed(case.reference, {"foreground": _foreground(case.reference), "native": asdict(case.native)})


def _packed(array: NDArray, metadata: dict[str, Any]) -> bytes:
    stored = blosc2.asarray(array, cparams=COMPRESSION, dparams=DECOMPRESSION, contiguous=True)
    for name, value in metadata.items():
        stored.schunk.vlmeta[name] = value
    return stored.to_cframe()


def _foreground(reference: NDArray[np.uint8]) -> dict[str, list[int]]:
    """Flat positions of some voxels of every class."""
    positions = np.flatnonzero(reference)
    values = reference.reshape(-1)[positions]
    return {str(value): _sample(positions[values == value]) for value in np.unique(values).tolist()}


def _sample(positions: NDArray[np.int64]) -> list[int]:
    return positions[:: -(-len(positions) // FOREGROUND_SAMPLES)].tolist()


class CaseArrays:
    """One preprocessed case, opened without reading its voxels.

    Attributes:
        image: (C, I, J, K) float32, reference: (I, J, K) uint8; slices read only the chunks they touch.
        foreground: class value to flat voxel positions.
        native: the way from a prediction back to the data set's image.
    """

    def __init__(self, folder: Path, case: str) -> None:
        self.case = case
        self.image = _open(folder / array_key(case))
        self.reference = _open(folder / reference_array_key(case))
        stored = self.reference.schunk.vlmeta
        self.foreground = {int(value): np.array(positions) for value, positions in stored["foreground"].items()}
        self.native = NativeGrid(**{name: tuple(value) for name, value in stored["native"].items()})


def _open(path: Path) -> blosc2.NDArray:
    try:
        return blosc2.open(str(path), mode="r", mmap_mode="r")
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{path}: not a readable Blosc2 array ({error}); run preprocess again") from error
