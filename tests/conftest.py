"""Fixtures that every test may use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two cores run the suite: more threads only get in each other's way

os.environ.setdefault("MEDSEG_PSEUDONYM_KEY", "a key for tests only")  # else one is made where the tests run

import pytest

from medseg import fetch
from tests.serving import Server, serving

if TYPE_CHECKING:
    import docker

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real scans beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real scans are not here: {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that is given files in blocks of 1000 bytes, and asked again soon."""
    monkeypatch.setattr(fetch, "PAUSE_S", 0.001)
    monkeypatch.setattr(fetch, "BLOCK_BYTES", 1000)
    with serving() as running:
        yield running


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    """The Docker engine of this machine."""
    import docker

    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException:
        pytest.skip("no Docker engine answers")
    with contextlib.closing(client):
        yield client


def need_image(engine: docker.DockerClient, name: str) -> None:
    """Skip where the engine lacks an image."""
    if not engine.images.list(name):
        pytest.skip(f"the Docker engine has no image {name}; build it with make images IMAGES=cpu")
