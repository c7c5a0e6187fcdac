"""NIfTI files written and read, against Python's gzip and nibabel."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from medseg.data.formats.nifti import nifti_bytes, read_nifti, write_nifti
from tests.benchmarks.timing import Line, faster, paired

SHAPE = (256, 256, 100)
AFFINE = np.diag([0.8, 0.8, 2.5, 1.0])


def lines() -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as folder:
        yield from _lines(Path(folder) / "a.nii.gz", _scan())


def _scan() -> np.ndarray:
    """int16 with the noise of a CT."""
    rng = np.random.default_rng(0)
    organs = ndimage.zoom(rng.normal(0, 400, (16, 16, 10)), (16, 16, 10), order=1)
    return np.asfortranarray(np.rint(organs + rng.normal(0, 12, SHAPE)).astype(np.int16))


def _lines(path: Path, scan: np.ndarray) -> Iterator[Line]:
    plain = nibabel.Nifti1Image(scan, AFFINE)

    def with_gzip(level: int) -> bytes:
        return gzip.compress(plain.to_bytes(), level, mtime=0)

    for level in (4, 9):
        ours_s, other_s = paired(lambda: write_nifti(path, scan, AFFINE), lambda: with_gzip(level), 3)  # noqa: B023
        yield faster("write int16 256x256x100", ours_s, other_s, f"Python's gzip, level {level}")
    sizes = len(nifti_bytes(scan, AFFINE)), len(with_gzip(4))
    yield Line(
        "  size", f"{sizes[0] / 1e6:.1f} MB", f"gzip, level 4 {sizes[1] / 1e6:.1f} MB", f"{sizes[0] / sizes[1]:.2f}"
    )

    def with_nibabel() -> np.ndarray:
        return np.asanyarray(nibabel.load(path).dataobj)

    ours_s, other_s = paired(lambda: read_nifti(path), with_nibabel, 5)
    yield faster("read int16 256x256x100, CRC checked", ours_s, other_s, "nibabel")
