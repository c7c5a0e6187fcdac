"""Which run a person means: by KFP's id, by its name, by its folder in the store, or the newest of a recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from pipelines.connection import Connection
from pipelines.errors import ClusterError

PAGE, FARTHEST = 50, 1000
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def find_run(connection: Connection, text: str) -> Any:
    """A run with its tasks.

    A folder's name ends with KFP's id, or it is the recipe's ``run_id``, with which the names of its runs begin: then
    the newest one is meant. Runs of a schedule have names of KFP's own, which the recipe's pipeline tells.

    Raises:
        ClusterError: there is none; names the newest ones that are there.
    """
    name = text.rstrip("/").rsplit("/", 1)[-1]
    if found := _ID.search(name):
        return get_run(connection, found[0])
    pipeline_id = _pipeline_of(connection, name)
    for run in newest_runs(connection):
        source = run.pipeline_version_reference
        named = name in (run.display_name, (run.display_name or "").split(" ")[0])
        if named or (pipeline_id and source and source.pipeline_id == pipeline_id):
            return get_run(connection, run.run_id)
    there = "".join(f"\n  {run.display_name}  {run.run_id}" for run in islice(newest_runs(connection), 5))
    raise ClusterError(
        f"no run {text!r} in namespace {connection.namespace}; give KFP's id, the run's name, its folder's name or its"
        f" recipe's. The newest: {there or 'none'}"
    )


def get_run(connection: Connection, run_id: str) -> Any:
    """A run by KFP's id.

    Raises:
        ClusterError: there is no such run.
    """
    from kfp_server_api import ApiException

    try:
        return connection.client.get_run(run_id)
    except ApiException as error:
        if error.status != 404:
            raise
        raise ClusterError(
            f"no run {run_id} at {connection.endpoint}: python -m pipelines status lists them"
        ) from error


def _pipeline_of(connection: Connection, recipe: str) -> str | None:
    from pipelines.benchmark import kfp_name
    from pipelines.upload import find_pipeline

    name = kfp_name(recipe)
    return find_pipeline(connection, name) if name else None


def newest_runs(connection: Connection) -> Iterator[Any]:
    """Runs of the namespace, the newest first."""
    token, seen = "", 0
    while seen < FARTHEST:
        page = connection.client.list_runs(
            page_token=token, page_size=PAGE, sort_by="created_at desc", namespace=connection.namespace
        )
        yield from page.runs or []
        token, seen = page.next_page_token, seen + PAGE
        if not token:
            return
