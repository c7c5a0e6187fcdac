"""Training arrays on disk: Blosc2 files that are read in parts, with foreground positions beside the reference."""

from __future__ import annotations

from pathlib import Path

import blosc2
import numpy as np
from numpy.typing import NDArray

from medseg.artifacts import array_key, reference_array_key
from medseg.errors import DataError

FOREGROUND_SAMPLES = 2_000  # positions per class: enough to centre patches on, small enough to read at once


def write_arrays(folder: Path, case: str, image: NDArray[np.float32], reference: NDArray[np.uint8]) -> None:
    """Write a preprocessed case; ``image`` is (C, I, J, K), ``reference`` (I, J, K)."""
    (folder / "arrays").mkdir(parents=True, exist_ok=True)
    _write(folder / array_key(case), image)
    stored = _write(folder / reference_array_key(case), reference)
    stored.schunk.vlmeta["foreground"] = {
        str(value): _positions(reference == value) for value in np.unique(reference).tolist() if value
    }


def _write(path: Path, array: NDArray) -> blosc2.NDArray:
    path.unlink(missing_ok=True)
    parameters = blosc2.CParams(codec=blosc2.Codec.ZSTD, clevel=3, nthreads=1)
    return blosc2.asarray(np.ascontiguousarray(array), urlpath=str(path), mode="w", cparams=parameters)


def _positions(mask: NDArray[np.bool_]) -> list[int]:
    flat = np.flatnonzero(mask)
    return flat[:: -(-len(flat) // FOREGROUND_SAMPLES)].tolist()


class CaseArrays:
    """One preprocessed case, opened without reading its voxels.

    Attributes:
        image: (C, I, J, K) float32, reference: (I, J, K) uint8; slices read only the chunks they touch.
        foreground: class value to flat voxel positions.
    """

    def __init__(self, folder: Path, case: str) -> None:
        self.case = case
        self.image = _open(folder / array_key(case))
        self.reference = _open(folder / reference_array_key(case))
        stored = self.reference.schunk.vlmeta["foreground"]
        self.foreground = {int(value): np.array(positions) for value, positions in stored.items()}


def _open(path: Path) -> blosc2.NDArray:
    try:
        return blosc2.open(str(path), mode="r", mmap_mode="r")
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{path}: not a readable Blosc2 array ({error}); run preprocess again") from error
