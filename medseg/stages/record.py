"""What a run was asked for and on what it ran: the files at the top of its folder."""

from __future__ import annotations

import json
import logging
import platform
from datetime import UTC, datetime
from importlib import metadata

import yaml

from medseg import __version__, artifacts
from medseg.artifacts import CONFIG_FILE, ENVIRONMENT_FILE, SIGNS_FOLDER, STATUS_FILE, Status
from medseg.config import Recipe, recipe_from_yaml
from medseg.errors import NotFoundError, RecipeError, StageError
from medseg.models import registry
from medseg.stages.starting_weights import require_weights
from medseg.storage import Store, open_store

log = logging.getLogger(__name__)

PACKAGES = (
    *("torch", "monai", "segmentation-models-pytorch", "nnunetv2", "numpy", "scipy", "statsmodels"),
    *("pydicom", "highdicom", "nibabel", "kfp"),
)


def record_run(recipe: Recipe, run_uri: str) -> None:
    """Write ``config.yaml`` and ``environment.json``.

    A later start of the same run writes what it was asked for and on what it runs, with ``resumed`` beside the first
    ``started``, which says when other runs came before.

    Raises:
        StageError: weights that a model is to start from are not where its training will look for them.
    """
    units = [registry.unit_config(recipe, entry.model) for entry in recipe.models]
    require_weights(units, artifacts.store_uri_of_run(run_uri))
    store = open_store(run_uri)
    for sign in store.list(SIGNS_FOLDER):  # of an earlier start
        store.delete(sign.key)
    store.put_bytes(CONFIG_FILE, recipe.to_yaml().encode())
    store.put_bytes(ENVIRONMENT_FILE, (json.dumps(_environment(_started(store)), indent=1) + "\n").encode())


def load_run(run_uri: str) -> Recipe:
    """The recipe of a run.

    Raises:
        StageError: there is no such run; names those that are there.
    """
    store = open_store(run_uri)
    try:
        text = store.get_bytes(CONFIG_FILE).decode()
    except NotFoundError:
        raise _no_such_run(run_uri) from None
    return recipe_from_yaml(text, f"{run_uri}/{CONFIG_FILE}")


def require_run(run_uri: str) -> None:
    """Pass a run that left anything in the store, be it damaged.

    Raises:
        StageError: nothing lies there; names the runs that are there.
    """
    if not open_store(run_uri).list():
        raise _no_such_run(run_uri)


def _no_such_run(run_uri: str) -> StageError:
    there = ", ".join(run_ids(artifacts.store_uri_of_run(run_uri))) or "none"
    return StageError(f"{run_uri}: no such run; runs in this store: {there}")


def run_ids(store_uri: str) -> list[str]:
    """All runs of a store, sorted by name."""
    objects = open_store(artifacts.join(store_uri, "runs")).list()
    return sorted(
        {item.key.split("/")[0] for item in objects if item.key.count("/") == 1 and item.key.endswith(CONFIG_FILE)}
    )


def newest_run(store_uri: str, name: str) -> str:
    """URI of the run of a recipe name that was started last; a run whose recipe cannot be read is passed by.

    Raises:
        StageError: there is none yet.
    """
    runs = [artifacts.run_uri(store_uri, run) for run in run_ids(store_uri)]
    candidates = [run for run in runs if _name(run) == name]
    if not candidates:
        there = ", ".join(run_ids(store_uri)) or "none"
        raise StageError(
            f"{store_uri}: no run of {name!r} yet (runs: {there}); start one with `medseg train`, or name one with"
            " --set run_id=RUN"
        )
    return max(candidates, key=lambda run: (_started(open_store(run)), run))


def _name(run_uri: str) -> str | None:
    """Of a run's recipe; None where it is damaged."""
    try:
        return load_run(run_uri).name
    except (RecipeError, UnicodeDecodeError, yaml.YAMLError) as error:
        log.warning("%s is passed by: %s", run_uri, " ".join(str(error).split()))
        return None


def _started(run: Store) -> str:
    """When a run was first started; empty where it does not say."""
    try:
        environment = json.loads(run.get_bytes(ENVIRONMENT_FILE))
    except (NotFoundError, ValueError):
        return ""
    started = environment.get("started") if isinstance(environment, dict) else None
    return started if isinstance(started, str) else ""


def read_status(unit: Store) -> Status | None:
    """State of one training, None where it never started."""
    try:
        data = unit.get_bytes(STATUS_FILE)
    except NotFoundError:
        return None
    return Status.from_bytes(data, f"{unit.uri}/{STATUS_FILE}")


def failure(unit_uri: str) -> str | None:
    """Why a training ended without a model; None where it did not fail."""
    status = read_status(open_store(unit_uri))
    return status.reason if status and status.state == "failed" else None


def write_status(unit: Store, status: Status) -> None:
    unit.put_bytes(STATUS_FILE, status.to_bytes())


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _environment(started: str) -> dict[str, object]:
    return {
        **({"started": started, "resumed": now()} if started else {"started": now()}),
        "medseg": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
