"""Prepared cases on disk, as a store holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medseg.artifacts import array_key, reference_array_key
from medseg.data.arrays import image_bytes, reference_bytes
from medseg.data.steps import NativeGrid, PreparedCase


def write_arrays(
    folder: Path, case: str, image: np.ndarray, reference: np.ndarray, native: NativeGrid | None = None
) -> None:
    """``image`` is (C, I, J, K), ``reference`` (I, J, K); without ``native`` nothing was cropped or resampled."""
    prepared = PreparedCase(image, reference, native or NativeGrid.of(image, crop=False))
    (folder / "arrays/references").mkdir(parents=True, exist_ok=True)
    (folder / array_key(case)).write_bytes(image_bytes(prepared))
    (folder / reference_array_key(case)).write_bytes(reference_bytes(prepared))
