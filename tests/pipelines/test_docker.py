"""Steps in containers: what a container may see, what is said without an engine, and that none outlives its run."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest
from kfp.local import docker_task_handler

from medseg.config import Recipe, load_recipe
from pipelines.container import container_arguments
from pipelines.docker import LABEL, DockerError, containers
from pipelines.pods import image
from tests.benchmark_scene import recipe_text, write_balls
from tests.conftest import need_image


@pytest.fixture
def recipe_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "balls.yaml"
    path.write_text(recipe_text(write_balls(tmp_path / "scans")))
    return path


def opened(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"store": recipe.store.model_copy(update={"uri": "s3://medseg"})})


def arguments(recipe_file: Path, *settings: str) -> dict[str, Any]:
    return container_arguments(opened(load_recipe(recipe_file, settings)))


def mounts(given: dict[str, Any]) -> dict[str, tuple[str | None, bool]]:
    """Source and whether it is read-only, by the place inside."""
    return {mount["Target"]: (mount["Source"], mount["ReadOnly"]) for mount in given["mounts"]}


def test_files_that_the_recipe_names_lie_where_they_lie_here_and_cannot_be_changed(recipe_file: Path) -> None:
    here = recipe_file.parent
    (here / "site.key").write_text("0123456789abcdef")
    (here / "encoder.pt").touch()
    settings = ("dataset.source=scans", "dataset.deidentify.key=file:site.key", "models.0.set.weights=encoder.pt")
    seen = mounts(arguments(recipe_file, *settings))
    for name in ("scans", "site.key", "encoder.pt"):
        assert seen[str(here / name)] == (str(here / name), True)
    assert arguments(recipe_file)["working_dir"] == str(here)


def test_scratch_goes_with_the_container_and_the_cache_stays(
    recipe_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = recipe_file.parent / "cache"
    monkeypatch.setenv("MEDSEG_CACHE", str(cache))
    given = arguments(recipe_file)
    assert mounts(given)["/scratch"] == (None, False)
    assert mounts(given)[str(cache)] == (str(cache), False)
    assert given["environment"]["MEDSEG_CACHE"] == str(cache)


def test_a_missing_folder_is_left_to_the_step_that_reads_it(recipe_file: Path) -> None:
    assert "/no/scans" not in mounts(arguments(recipe_file, "dataset.source=/no/scans"))


def test_an_s3_source_and_published_weights_are_no_files(recipe_file: Path) -> None:
    settings = ("dataset.source=s3://scans/all", "models.0.set.weights=imagenet", "models.1.set.weights=owner/name")
    assert not [target for target in mounts(arguments(recipe_file, *settings)) if "scans" in target or "name" in target]


def test_the_store_and_the_named_key_are_passed_on_and_other_variables_are_not(
    recipe_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = recipe_file.with_name("ca.pem")
    certificates.touch()
    given = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_CA_BUNDLE": str(certificates)}
    for name, value in {**given, "SITE_KEY": "0123456789abcdef", "OTHER_SECRET": "x"}.items():
        monkeypatch.setenv(name, value)
    seen = arguments(recipe_file, "dataset.deidentify.key=env:SITE_KEY")
    assert given.items() <= seen["environment"].items()
    assert seen["environment"]["SITE_KEY"] == "0123456789abcdef"
    assert "OTHER_SECRET" not in seen["environment"]
    assert mounts(seen)[str(certificates)] == (str(certificates), True)


def test_a_step_has_no_rights_beyond_those_of_the_calling_user(recipe_file: Path) -> None:
    given = arguments(recipe_file)
    assert given["user"] == f"{os.getuid()}:{os.getgid()}"
    assert given["cap_drop"] == ["ALL"]
    assert given["read_only"] is True


def test_gpus_and_shared_memory_are_what_the_most_demanding_model_asks_for(recipe_file: Path) -> None:
    assert arguments(recipe_file)["device_requests"] == []
    assert arguments(recipe_file)["shm_size"] is None
    given = arguments(recipe_file, "resources.shared_memory=1Gi", "models.1.set={resources.gpus: 2}")
    assert [request["Count"] for request in given["device_requests"]] == [2]
    assert given["shm_size"] == 2**30


def test_without_an_engine_it_says_how_to_get_one(recipe_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    with (
        pytest.raises(DockerError, match=r"no Docker engine answers .*; install one"),
        containers(_any(recipe_file)),
    ):
        pass


def _any(recipe_file: Path, *settings: str) -> Recipe:
    return opened(load_recipe(recipe_file, settings))


def test_without_the_image_it_says_how_to_build_it(recipe_file: Path, engine: docker.DockerClient) -> None:
    recipe = _any(recipe_file, "cluster.image=medseg-tests:nonexistent")
    with (
        pytest.raises(DockerError, match="no image medseg-tests:nonexistent; build it with make images"),
        containers(recipe),
    ):
        pass


@pytest.fixture
def run_command(recipe_file: Path, engine: docker.DockerClient) -> Iterator[Callable[[str], int]]:
    """Runs a shell's command as kfp runs a step; its exit code."""
    recipe = _any(recipe_file)
    name = image(recipe)
    need_image(engine, name)
    with containers(recipe) as runner:
        settings = {"labels": runner.container_run_args["labels"], "network_mode": "none"}

        def run(script: str) -> int:
            return docker_task_handler.run_docker_container(engine, name, ["sh", "-c", script], {}, **settings)

        yield run


class SlowTerminal(io.StringIO):
    def write(self, text: str) -> int:
        time.sleep(2)  # the engine has removed the container by then
        return super().write(text)


def test_a_step_that_fails_is_never_a_success(run_command: Callable[[str], int]) -> None:
    with contextlib.redirect_stdout(SlowTerminal()):
        assert run_command("echo why; exit 3") == 3
    assert run_command("true") == 0


def test_all_that_a_step_writes_is_shown(run_command: Callable[[str], int], capsys: pytest.CaptureFixture[str]) -> None:
    run_command("echo Größe 漢字; seq 20000")
    assert capsys.readouterr().out.split() == ["Größe", "漢字", *map(str, range(1, 20001))]


def test_a_step_whose_container_is_taken_away_fails(
    run_command: Callable[[str], int], engine: docker.DockerClient
) -> None:
    def take_away() -> None:
        running = {"label": LABEL, "status": "running"}
        wait_until(lambda: engine.containers.list(filters=running), 30)
        for container in engine.containers.list(filters=running):
            container.remove(force=True)

    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(take_away)
        assert run_command("echo begun; sleep 60") != 0
        taking.result()


def test_a_container_that_cannot_start_is_an_error_and_does_not_stay(
    recipe_file: Path, run_command: Callable[[str], int], engine: docker.DockerClient
) -> None:
    with pytest.raises(docker.errors.APIError):
        docker_task_handler.run_docker_container(
            engine, image(_any(recipe_file)), ["/no/such/command"], {}, labels={LABEL: "x"}
        )
    assert not ours(engine)


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(recipe_file: Path, engine: docker.DockerClient) -> Iterator[Start]:
    """Starts a run in containers, which ends with the test."""
    need_image(engine, image(load_recipe(recipe_file)))
    started: list[subprocess.Popen[str]] = []

    def start(*settings: str) -> subprocess.Popen[str]:
        overrides = [word for setting in settings for word in ("--set", setting)]
        command = [sys.executable, "-m", "pipelines", "run", str(recipe_file), "--runner", "docker", *overrides]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        started.append(subprocess.Popen(command, **pipes, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def ours(engine: docker.DockerClient) -> list[str]:
    return [found.id for found in engine.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)]


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not true within {seconds} s"
        time.sleep(0.2)


@pytest.mark.slow
def test_a_run_in_containers_ends_with_the_leaderboard_and_fails_at_the_gate_for_a_failed_model(
    recipe_file: Path, start: Start, engine: docker.DockerClient
) -> None:
    process = start("models.0.set={train.learning_rate: 1.0e+38, train.optimizer: sgd}")
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 1, output
    assert "StageError: 1 of 2 models did not succeed" in output
    with (recipe_file.parent / ".medseg/s3/medseg/runs/balls/report/leaderboard.csv").open() as file:
        rows = {row["model"]: row["status"] for row in csv.DictReader(file)}
    assert rows == {"unet3d": "succeeded", "segformer": "failed"}
    assert not ours(engine)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_leaves_no_container(
    recipe_file: Path, start: Start, engine: docker.DockerClient, how: signal.Signals
) -> None:
    process = start("train.epochs=2000", "train.seeds=[0, 1]")
    run = recipe_file.parent / ".medseg/s3/medseg/runs/balls"
    wait_until(lambda: list(run.glob("*/seed-*/fold-0/history.csv")), 200)
    assert ours(engine)
    process.send_signal(how)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -9), output
    wait_until(lambda: not ours(engine), 15)
