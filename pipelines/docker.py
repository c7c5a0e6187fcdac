"""The steps of a local run as containers of the built image, none of which outlives its run."""

from __future__ import annotations

import codecs
import contextlib
import secrets
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from kfp import local
from kfp.local import docker_task_handler

from medseg.config import Recipe
from medseg.errors import MedsegError
from pipelines.container import container_arguments
from pipelines.pods import image

LABEL = "medseg.run"
REMOVE_EVERY_S = 0.2


class DockerError(MedsegError):
    """The Docker engine does not answer, lacks the image, or refused a container."""


@contextlib.contextmanager
def containers(recipe: Recipe) -> Iterator[local.DockerRunner]:
    """Yield what ``kfp.local`` runs steps with; when the context ends, so do the containers.

    Args:
        recipe: with the URI of its open store.

    Raises:
        DockerError: says how to get the engine or the image.
    """
    labels = {LABEL: secrets.token_hex(8)}
    with _engine() as engine, _removed(engine, labels), _exit_codes_are_waited_for():
        _require_image(engine, image(recipe))
        try:
            yield local.DockerRunner(**container_arguments(recipe), labels=labels)
        except DockerException as error:
            raise DockerError(
                f"the Docker engine refused a container: {error}"
                " (a recipe with resources.gpus needs the NVIDIA Container Toolkit)"
            ) from error


@contextlib.contextmanager
def _engine() -> Iterator[docker.DockerClient]:
    try:
        engine = docker.from_env()
        engine.ping()
    except DockerException as error:
        raise DockerError(
            f"--runner docker: no Docker engine answers ({error}); install one (https://docs.docker.com/engine/install),"
            " start it, and let this user talk to it (group docker); without --runner steps run as plain processes"
        ) from None
    with contextlib.closing(engine):
        yield engine


def _require_image(engine: docker.DockerClient, name: str) -> None:
    try:
        engine.images.get(name)
    except ImageNotFound:
        raise DockerError(
            f"--runner docker: the engine has no image {name}; build it with make images, or fetch it with docker pull"
            " or docker load; another one is named with --set cluster.image=NAME"
        ) from None


@contextlib.contextmanager
def _exit_codes_are_waited_for() -> Iterator[None]:
    """kfp 2.17 asks for a container's exit code after its end, and counts one that is gone by then as a success."""
    usual = docker_task_handler.run_docker_container
    docker_task_handler.run_docker_container = _run_container
    try:
        yield
    finally:
        docker_task_handler.run_docker_container = usual


def _run_container(
    client: docker.DockerClient, image: str, command: list[str], volumes: dict[str, Any], **settings: Any
) -> int:
    """Run a container to its end and print what it writes; its exit code, 1 where that stays unknown.

    The engine removes it, since this process may be killed; so both are asked for before it starts.
    """
    container = client.containers.create(image, command, volumes=volumes, auto_remove=True, **settings)
    output = container.attach(stream=True, logs=True)
    with ThreadPoolExecutor(1) as waiting:
        ended = waiting.submit(container.wait, condition="removed")
        try:
            container.start()
        except BaseException:
            with contextlib.suppress(APIError):
                container.remove(force=True, v=True)  # else the engine would be waited for without end
            raise
        for text in codecs.iterdecode(output, "utf-8", errors="replace"):
            print(text, end="")
        try:
            return int(ended.result()["StatusCode"])
        except NotFound:
            return 1


@contextlib.contextmanager
def _removed(engine: docker.DockerClient, labels: dict[str, str]) -> Iterator[None]:
    """Remove all containers with these labels at the end; Ctrl-C and SIGTERM begin with it at once.

    kfp waits in threads for the containers that it follows, and starts the next one when one has ended.
    """
    ended = threading.Event()

    def remove_until_ended() -> None:
        while not ended.wait(REMOVE_EVERY_S):
            _remove(engine, labels)

    def stop(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=remove_until_ended, daemon=True).start()
        if callable(usual := before[signal.Signals(number)]):
            usual(number, frame)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        ended.set()
        _remove(engine, labels)
        for number, usual in before.items():
            signal.signal(number, usual)


def _remove(engine: docker.DockerClient, labels: dict[str, str]) -> None:
    wanted = {"label": [f"{name}={value}" for name, value in labels.items()]}
    for container in engine.containers.list(all=True, filters=wanted, ignore_removed=True):
        with contextlib.suppress(APIError):  # it is gone, or going
            container.remove(force=True, v=True)
