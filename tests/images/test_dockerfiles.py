"""The Dockerfiles hold what a hospital's policy asks of them, and nothing secret reaches an image."""

from __future__ import annotations

import configparser
import difflib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths

ROOT = Path(__file__).parents[2]
IMAGES = ("cpu", "cuda")
PREDEFINED = {"PATH"}


def instructions(image: str) -> list[tuple[str, str]]:
    """Keyword and rest of every instruction of a Dockerfile, continued lines joined."""
    text = (ROOT / "images" / image / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    words = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(keyword, " ".join(rest.split())) for keyword, rest in words]


def last_stage(image: str) -> list[tuple[str, str]]:
    found = instructions(image)
    start = max(index for index, (keyword, _) in enumerate(found) if keyword == "FROM")
    return found[start:]


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_variable_is_declared_before_its_use(image: str) -> None:
    everywhere: set[str] = set()
    known = everywhere
    for keyword, rest in instructions(image):
        used = set(re.findall(r"\$\{?([A-Z_]+)", rest))
        here = everywhere if keyword == "FROM" else known
        assert used <= here | PREDEFINED, f"{keyword} {rest}: {used - here} is not declared in this stage"
        if keyword == "FROM":
            known = set()  # each stage has to name what it takes
        if keyword == "ARG":
            known.add(rest.partition("=")[0])


def test_the_user_is_a_number_and_not_root(image: str) -> None:
    users = [rest for keyword, rest in last_stage(image) if keyword == "USER"]
    assert users == ["10001:10001"]


def test_whatever_is_written_goes_to_scratch(image: str) -> None:
    environment = " ".join(rest for keyword, rest in last_stage(image) if keyword == "ENV")
    for name in ("HOME", "TMPDIR", "MEDSEG_CACHE", "MPLCONFIGDIR"):
        assert re.search(rf"\b{name}=/scratch\b", environment), name


def test_everything_is_installed_by_the_script_that_binds_the_tested_versions(image: str) -> None:
    commands = " ".join(rest for keyword, rest in instructions(image) if keyword == "RUN")
    assert commands.count("sh /build/pip/pip.sh") == 5  # wheel, torch, the rest, pip check, medseg
    assert not re.search(r"pip3? install|-m pip|apt-get", commands)
    assert "PIP_CONSTRAINT=/build/constraints.txt" in (ROOT / "images/pip.sh").read_text()


def test_indexes_and_certificates_stay_out_of_the_image(image: str) -> None:
    declared = {rest.partition("=")[0] for keyword, rest in last_stage(image) if keyword == "ARG"}
    assert declared == {"BASE_IMAGE", "VERSION", "REVISION"}
    keywords = {keyword for keyword, _ in last_stage(image)}
    assert not keywords & {"ADD", "COPY"}, "what is installed comes by mounts, which leave nothing"


def test_addresses_of_indexes_are_in_no_command_that_is_printed(image: str) -> None:
    assert not [rest for keyword, rest in instructions(image) if keyword != "ARG" and "INDEX_URL" in rest]


@pytest.mark.parametrize("torch", ["", "https://torch.example.org/cpu"])
def test_pip_takes_packages_from_the_given_indexes_and_torch_from_its_own_or_the_same(
    tmp_path: Path, torch: str
) -> None:
    shutil.copy(ROOT / "images/indexes.sh", tmp_path)
    index = "https://user:p%40ss@packages.example.org/simple"
    given = {"PIP_INDEX_URL": index, "PIP_EXTRA_INDEX_URL": "", "TORCH_INDEX_URL": torch}
    subprocess.run(["sh", tmp_path / "indexes.sh"], env=os.environ | given, check=True)
    written = {}
    for name in ("packages", "torch"):
        parser = configparser.RawConfigParser()
        parser.read(tmp_path / f"{name}.conf")
        written[name] = dict(parser["global"])
    assert written == {"packages": {"index-url": index}, "torch": {"index-url": torch or index}}


def test_the_command_of_a_kubeflow_step_runs_as_it_is(image: str) -> None:
    assert not {keyword for keyword, _ in instructions(image)} & {"ENTRYPOINT", "HEALTHCHECK", "SHELL"}


def test_the_two_images_differ_in_torch_alone() -> None:
    cpu, cuda = ([f"{keyword} {rest}" for keyword, rest in instructions(image)] for image in IMAGES)
    changes = [line for line in difflib.ndiff(cpu, cuda) if line.startswith(("- ", "+ "))]
    about = ("TORCH_INDEX_URL", "torch torchvision", "NVIDIA_DRIVER_CAPABILITIES", "ENV PATH")
    assert not [line for line in changes if not any(word in line for word in (*about, "image.description"))]


def test_the_engine_is_sent_code_and_nothing_else(tmp_path: Path) -> None:
    left = [".git/config", ".medseg/s3/medseg/x", ".venv/bin/python", ".env", "tests/x.py", "medseg/__pycache__/x"]
    code = ["medseg/cli.py", "pipelines/recipes/demo.yaml", "pyproject.toml", "constraints.txt"]
    code += ["images/pip.sh", "images/indexes.sh"]
    for name in (*left, *code):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert {path for path in exclude_paths(str(tmp_path), rules) if (tmp_path / path).is_file()} == set(code)


def test_requirements_are_those_of_the_package_and_its_extras() -> None:
    command = [sys.executable, "images/requirements.py", "pyproject.toml", "kubeflow", "nnunet"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert printed == [*project["dependencies"], *extras["kubeflow"], *extras["nnunet"]]
