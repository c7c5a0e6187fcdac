"""`make images` hands the engine what was asked for, and says what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from medseg import __version__

ROOT = Path(__file__).parents[2]
ENGINE = """#!/bin/sh
[ "$1" = version ] && exit 0
printf '%s\\n' "$@" BUILDKIT=$DOCKER_BUILDKIT INDEX=$PIP_INDEX_URL TORCH=${TORCH_INDEX_URL-unset} --- >> "$ENGINE_LOG"
"""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """A client of Docker that writes down what it is asked."""
    path = tmp_path / "docker"
    path.write_text(ENGINE)
    path.chmod(0o755)
    return path


def make_images(*settings: str, **environment: str) -> subprocess.CompletedProcess[str]:
    names = ("PIP_INDEX_URL", "TORCH_INDEX_URL", "BASE_IMAGE", "DOCKER_BUILD_FLAGS", "CERTIFICATES", "MAKEFLAGS")
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        ["make", "--no-print-directory", "images", *settings],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
    )


def asked(engine: Path, *settings: str) -> list[list[str]]:
    """Words and variables of every build."""
    done = make_images(f"DOCKER={engine}", *settings, ENGINE_LOG=f"{engine}.log")
    assert done.returncode == 0, done.stderr
    return [build.split("\n")[:-1] for build in Path(f"{engine}.log").read_text().split("---\n")[:-1]]


def test_both_images_are_built_and_tagged_with_the_version(engine: Path) -> None:
    cpu, cuda = asked(engine)
    assert {"images/cpu/Dockerfile", f"medseg:{__version__}", f"VERSION={__version__}", "BUILDKIT=1"} <= set(cpu)
    assert {"images/cuda/Dockerfile", f"medseg:{__version__}-cuda"} <= set(cuda)


def test_settings_reach_the_build_by_the_environment_and_not_its_command_line(engine: Path, tmp_path: Path) -> None:
    (tmp_path / "site.pem").touch()
    index = "https://user:password@packages.example.org/simple"
    (build,) = asked(
        engine,
        *("IMAGES=cpu", f"PIP_INDEX_URL={index}", "TORCH_INDEX_URL=", f"CERTIFICATES={tmp_path}/site.pem"),
        "DOCKER_BUILD_FLAGS=--network host",
    )
    words = build[: build.index("BUILDKIT=1")]
    assert {f"INDEX={index}", "TORCH="} <= set(build)
    assert {"PIP_INDEX_URL", f"id=certificates,src={tmp_path}/site.pem", "--network", "host"} <= set(words)
    assert not [word for word in words if "password" in word]


def test_without_an_engine_it_says_how_to_get_one(tmp_path: Path) -> None:
    done = make_images(f"DOCKER={tmp_path}/nothing")
    assert done.returncode != 0
    assert "no Docker engine answers" in done.stderr
    assert "docs.docker.com/engine/install" in done.stderr


def test_certificates_that_cannot_be_read_are_named(engine: Path) -> None:
    done = make_images(f"DOCKER={engine}", "CERTIFICATES=/nowhere.pem")
    assert "CERTIFICATES=/nowhere.pem cannot be read" in done.stderr


def test_the_revision_says_whether_the_image_holds_more_than_its_commit(engine: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for name in ("images/build.sh", "medseg/__init__.py"):
        (checkout / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, checkout / name)
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *identity, *words], cwd=checkout, check=True, capture_output=True, text=True
        ).stdout.strip()

    def revision() -> str:
        variables = os.environ | {"DOCKER": str(engine), "ENGINE_LOG": f"{engine}.log"}
        subprocess.run(["images/build.sh", "cpu"], cwd=checkout, env=variables, check=True)
        words = Path(f"{engine}.log").read_text().splitlines()
        return [word for word in words if word.startswith("REVISION=")][-1]

    assert revision() == "REVISION=unknown"
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "all")
    commit = git("rev-parse", "HEAD")
    (checkout / "notes.txt").touch()  # not sent to the engine
    assert revision() == f"REVISION={commit}"
    (checkout / "medseg" / "new.py").touch()
    assert revision() == f"REVISION={commit}-dirty"
