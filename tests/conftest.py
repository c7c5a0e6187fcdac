"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two cores run the suite: more threads only get in each other's way

os.environ.setdefault("MEDSEG_PSEUDONYM_KEY", "a key for tests only")  # else one is made where the tests run

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real scans beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real scans are not here: {SHARED_DATA}")
    return SHARED_DATA
