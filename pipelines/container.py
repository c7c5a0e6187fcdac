"""What the container of a local run's step may see and use: files, settings, groups and GPUs that the recipe names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docker.types import DeviceRequest, Mount

from components.task import RUNNER_PID
from medseg.cluster_config import to_bytes
from medseg.config import NO_WEIGHTS, PUBLISHED, Recipe, is_hub_id
from medseg.data.deidentification.pseudonyms import key_variable
from medseg.models import registry
from medseg.pool import THREAD_VARIABLES
from medseg.stages.intake import KEY_FOLDER
from medseg.storage.cache import cache_root
from medseg.storage.embedded import FOLDER_VARIABLE
from medseg.storage.store import folder_of
from pipelines.pods import SCRATCH

FILE_VARIABLES = ("AWS_CA_BUNDLE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "SSL_CERT_FILE")


def container_arguments(recipe: Recipe) -> dict[str, Any]:
    """Arguments of a container for every step, by the names of the docker package.

    Steps run as the calling user, without capabilities and on a read-only root. Files lie where they lie on this
    machine, and so does the working folder: the recipe means the same in there. ``/scratch`` goes with its container.

    Args:
        recipe: with the URI of its open store.
    """
    asked = [registry.unit_config(recipe, entry.model).resources for entry in recipe.models]
    gpus = max(resources.gpus for resources in asked)
    return {
        "user": f"{os.getuid()}:{os.getgid()}",
        "group_add": os.getgroups(),
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "network_mode": "host",  # the embedded S3 server listens on loopback alone
        "pid_mode": "host",  # a step watches its runner and ends with it, even where that is killed
        "working_dir": str(Path.cwd()),
        "mounts": [Mount(SCRATCH, source=None), *_mounts(recipe)],
        "environment": _environment(recipe),
        "shm_size": max((to_bytes(each.shared_memory) for each in asked if each.shared_memory), default=None),
        "device_requests": [DeviceRequest(count=gpus, capabilities=[["gpu"]])] if gpus else [],
    }


def _mounts(recipe: Recipe) -> list[Mount]:
    """A mount for each place that exists; of a missing one the step itself says what it is for."""
    sources = {_place_inside(path): (path, True) for path in _read(recipe)}
    sources |= {str(folder.absolute()): (str(folder), False) for folder in _written(recipe)}
    return [
        Mount(target, source=str(Path(path).expanduser().absolute()), type="bind", read_only=read_only)
        for target, (path, read_only) in sources.items()
        if Path(path).expanduser().exists()
    ]


def _read(recipe: Recipe) -> Iterator[str]:
    if recipe.dataset.source and (source := folder_of(recipe.dataset.source)):
        yield str(source)
    kind, _, key_file = (recipe.dataset.deidentify.key or "").partition(":")
    if kind == "file":
        yield key_file
    for weights in {registry.unit_config(recipe, entry.model).weights for entry in recipe.models}:
        if weights not in (NO_WEIGHTS, PUBLISHED) and not is_hub_id(weights) and (file := folder_of(weights)):
            yield str(file)
    yield from (os.environ[name] for name in (*FILE_VARIABLES, FOLDER_VARIABLE) if os.environ.get(name))
    if not os.environ.get("AWS_ACCESS_KEY_ID"):
        yield "~/.aws"


def _written(recipe: Recipe) -> list[Path]:
    """Folders that steps write to; made here, or the Docker engine would make them for root."""
    store = folder_of(recipe.store.uri)
    folders = [cache_root(), KEY_FOLDER, *([store] if store else [])]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return folders


def _place_inside(path: str) -> str:
    """The home folder of containers is their scratch folder."""
    return f"{SCRATCH}{path[1:]}" if path.startswith("~/") else str(Path(path).absolute())


def _environment(recipe: Recipe) -> dict[str, str]:
    """How the store is reached, and the key of the pseudonyms; both from this process, neither written down."""
    names = {key_variable(recipe.dataset.deidentify), "SSL_CERT_FILE", FOLDER_VARIABLE, *THREAD_VARIABLES}
    passed = {name: value for name, value in os.environ.items() if name.startswith("AWS_") or name in names}
    places = {"MEDSEG_CACHE": cache_root(), "XDG_CONFIG_HOME": KEY_FOLDER.parent}
    return {**passed, **{name: str(path.absolute()) for name, path in places.items()}, RUNNER_PID: str(os.getpid())}
