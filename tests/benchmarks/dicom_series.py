"""Ingest of one DICOM series, against what pydicom alone needs to read its headers and decode its pixels."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from medseg.config import load_recipe
from medseg.stages.ingest import ingest
from tests.benchmarks.series import noisy_slices, write_series
from tests.benchmarks.timing import Line, paired, shown

SLICES, SIZE = 200, 512
DISTINCT = 8  # slices: encoding takes long
SYNTAXES = {"uncompressed": ExplicitVRLittleEndian, "RLE": RLELossless, "JPEG-LS": JPEGLSLossless}


def lines() -> Iterator[Line]:
    """One process, from the folder of slices to the finished data set."""
    logging.getLogger("medseg").setLevel(logging.WARNING)
    pixels = noisy_slices(DISTINCT, SIZE)
    for name, syntax in SYNTAXES.items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write_series(root / "source" / "patient", 1, SLICES, pixels, syntax)
            ours_s, other_s = paired(lambda: _ingest(root), lambda: _decode(root), rounds=3)  # noqa: B023
        what = f"ingest a series of {SIZE}x{SIZE}x{SLICES}, {name}"
        yield Line(what, shown(ours_s), f"pydicom {shown(other_s)}", f"{ours_s / other_s:.2f} x its time", "<= 1.5 x")


def _ingest(root: Path) -> None:
    shutil.rmtree(root / "store", ignore_errors=True)
    (root / "key").write_text("0" * 64)
    key = f"dataset.deidentify.key=file:{root / 'key'}"
    settings = (f"dataset.source={root / 'source'}", "dataset.name=one", "workers=1", key)
    ingest(load_recipe(None, settings), str(root / "store"))


def _decode(root: Path) -> None:
    for path in sorted((root / "source" / "patient").iterdir()):
        pydicom.dcmread(path).pixel_array  # noqa: B018
