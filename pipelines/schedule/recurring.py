"""Recurring runs of Kubeflow Pipelines: they can be made, switched on and off and deleted, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pipelines.connection import Connection
from pipelines.runs.find import newest_runs
from pipelines.runs.tasks import ENDED
from pipelines.upload import equals

MARK = "medseg schedule of "  # with which the descriptions of our recurring runs begin, before the package's name
PAGE = 50


@dataclass(frozen=True)
class Settings:
    """All that makes one recurring run equal to another.

    Attributes:
        version: name of the package that it runs.
    """

    name: str
    version: str
    pipeline_id: str
    version_id: str
    experiment_id: str
    service_account: str
    cron: str

    @classmethod
    def of(cls, recurring: Any) -> Settings:
        """Those of a recurring run on the server."""
        source, trigger = recurring.pipeline_version_reference, recurring.trigger and recurring.trigger.cron_schedule
        return cls(
            recurring.display_name,
            (recurring.description or "").removeprefix(MARK),
            (source and source.pipeline_id) or "",
            (source and source.pipeline_version_id) or "",
            recurring.experiment_id,
            recurring.service_account or "",
            (trigger and trigger.cron) or "",
        )


def is_on(recurring: Any) -> bool:
    return bool(recurring.mode == "ENABLE")


def find(connection: Connection, name: str | None = None) -> list[Any]:
    """Our recurring runs of a name, or all of ours, the newest first."""
    found = [one for one in _all(connection, name) if (one.description or "").startswith(MARK)]
    return sorted(found, key=lambda one: one.created_at, reverse=True)


def create(connection: Connection, settings: Settings, on: bool) -> str:
    """Make a recurring run that starts no run while its last one is active, nor for times that have passed before."""
    made = connection.client.create_recurring_run(
        experiment_id=settings.experiment_id,
        job_name=settings.name,
        description=f"{MARK}{settings.version}",
        cron_expression=settings.cron,
        max_concurrency=1,
        no_catchup=True,
        pipeline_id=settings.pipeline_id,
        version_id=settings.version_id,
        enabled=on,
        enable_caching=False,
        service_account=settings.service_account,
    )
    return str(made.recurring_run_id)


def switch_off(connection: Connection, found: Iterable[Any]) -> None:
    """What runs goes on."""
    for one in found:
        if is_on(one):
            connection.client.disable_recurring_run(one.recurring_run_id)


def remove(connection: Connection, found: Iterable[Any]) -> list[str]:
    """Delete recurring runs, each once no run of it is active, and give the ids of the active ones.

    Kubernetes deletes the workflows of a recurring run together with it, and so would end what still runs.
    """
    waiting: list[str] = []
    for one in found:
        active = list(_active_runs(connection, one.recurring_run_id))
        if not active:
            connection.client.delete_recurring_run(one.recurring_run_id)
        waiting += active
    return waiting


def _active_runs(connection: Connection, recurring_run_id: str) -> Iterator[str]:
    """The server knows no filter for them: its column has another name than the field."""
    for run in newest_runs(connection):
        if run.recurring_run_id == recurring_run_id and run.state not in ENDED:
            yield run.run_id


def _all(connection: Connection, name: str | None) -> Iterator[Any]:
    token = ""
    while True:
        page = connection.client.list_recurring_runs(
            page_token=token,
            page_size=PAGE,
            namespace=connection.namespace,
            filter=equals("display_name", name) if name else None,
        )
        yield from page.recurring_runs or []
        token = page.next_page_token
        if not token:
            return
