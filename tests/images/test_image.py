"""The built image runs the whole benchmark without root, without capabilities and on a read-only root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import docker
import pytest

from medseg import __version__
from tests.conftest import need_image

ROOT = Path(__file__).parents[2]
IMAGE = f"medseg:{__version__}"
BASE_IMAGE = os.environ.get("MEDSEG_TEST_BASE_IMAGE")
RESTRICTED: dict[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "network_mode": "none",
}


@pytest.fixture
def engine(engine: docker.DockerClient) -> docker.DockerClient:
    """One that has the image."""
    need_image(engine, IMAGE)
    return engine


def shell(engine: docker.DockerClient, script: str, **arguments: Any) -> str:
    """What a script prints in a pod's surroundings: an empty /scratch that anyone may write to."""
    scratch = {"tmpfs": {"/scratch": "mode=1777"}}
    settings = {**RESTRICTED, **scratch, **arguments}
    container = engine.containers.run(IMAGE, ["sh", "-ec", script], detach=True, **settings)
    try:
        status = container.wait()["StatusCode"]
        printed = container.logs().decode()
    finally:  # also where the test took too long
        container.remove(force=True, v=True)
    assert status == 0, printed
    return printed


def test_it_runs_as_a_numbered_user_that_is_not_root(engine: docker.DockerClient) -> None:
    assert shell(engine, "id -u; id -g; medseg --version").split() == ["10001", "10001", "medseg", __version__]


@pytest.mark.slow
def test_any_other_user_may_run_it(engine: docker.DockerClient) -> None:
    assert "unet3d" in shell(engine, "python3 -c 'import monai, torch, nnunetv2' && medseg models", user="123456:0")


def test_neither_pip_nor_a_compiler_came_with_it(engine: docker.DockerClient) -> None:
    script = "ls /opt/medseg/bin; which gcc || true; python3 -c 'import pip' 2>&1 || true"
    printed = shell(engine, script)
    assert "No module named 'pip'" in printed
    assert "medseg" in printed.split("\n")
    assert not {"pip", "/usr/bin/gcc"} & set(printed.split("\n"))


@pytest.mark.parametrize("user", ["10001:10001", "123456:0"])
def test_nobody_who_runs_it_may_change_it(engine: docker.DockerClient, user: str) -> None:
    script = "find /opt /usr /etc /var/lib ! -type l -writable 2>/dev/null || true"
    assert not shell(engine, script, user=user, read_only=False)


def test_nothing_is_left_of_its_build(engine: docker.DockerClient) -> None:
    script = "find /tmp /scratch -mindepth 1; find /build /run/secrets -type f 2>/dev/null || true"
    assert not shell(engine, script, user="0:0", tmpfs={})


def test_labels_say_what_it_is(engine: docker.DockerClient) -> None:
    labels = engine.images.get(IMAGE).labels
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.revision"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_benchmark_runs_in_it(engine: docker.DockerClient) -> None:
    script = "medseg sample --patients 12; python -m pipelines run /opt/medseg/recipes/smoke.yaml; find .medseg/s3"
    printed = shell(engine, script)
    assert "report/index.html" in printed
    assert "failed" not in printed


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not BASE_IMAGE, reason="MEDSEG_TEST_BASE_IMAGE names no Debian image with python3 and python3-venv")
def test_it_builds_on_a_given_base_image() -> None:
    subprocess.run(["make", "images", "IMAGES=cpu", f"BASE_IMAGE={BASE_IMAGE}"], cwd=ROOT, check=True)
