"""A run's results on this machine: the leaderboard, and its report as files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medseg import artifacts
from medseg.config import Recipe
from medseg.errors import StageError, StorageError
from medseg.storage import Store, open_store, session

log = logging.getLogger(__name__)

REPORT = "report"


def print_leaderboard(recipe: Recipe, run_uri: str, namespace: str) -> None:
    """The leaderboard as it is in the store now; where this machine cannot read it, what to do.

    Args:
        namespace: of the run's pods, where the keys of the store are.
    """
    from medseg.reporting.tables import format_leaderboard
    from medseg.stages.report import leaderboard

    try:
        with _reached(recipe, run_uri, namespace):
            print(f"\n{format_leaderboard(leaderboard(run_uri))}\n")
    except (StorageError, StageError) as error:
        log.error("no leaderboard here, but on the run's page, at its task report: %s", error)


def fetch_report(recipe: Recipe, run_uri: str, folder: Path, namespace: str) -> int:
    """Download a run's report into a folder; the number of files.

    Args:
        namespace: of the run's pods, where the keys of the store are.

    Raises:
        StageError: the run has no report yet.
        StorageError: this machine cannot read the store; says how it could.
    """
    from medseg.storage.store import in_parallel

    with _reached(recipe, run_uri, namespace) as store:
        found = store.list(f"{REPORT}/")
        if not any(item.key == f"{REPORT}/{artifacts.REPORT_FILE}" for item in found):
            raise StageError(f"{run_uri} has no report: medseg report {run_uri} makes one of what is there")
        in_parallel(lambda item: store.get_file(item.key, folder / item.key.removeprefix(f"{REPORT}/")), found)
    return len(found)


@contextmanager
def _reached(recipe: Recipe, run_uri: str, namespace: str) -> Iterator[Store]:
    """The run's folder, with the store that pods use, as the AWS variables and the recipe say for this machine."""
    store = recipe.store.model_copy(update={"uri": artifacts.store_uri_of_run(run_uri)})
    try:
        with session(store):
            yield open_store(run_uri)
    except StorageError as error:
        secret = recipe.cluster.store_secret
        keys = f" (pods have them from: kubectl --namespace {namespace} get secret {secret} -o yaml)" if secret else ""
        raise type(error)(
            f"{error}\n  {run_uri} is where pods see it; for this machine set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and"
            f" AWS_SECRET_ACCESS_KEY{keys}. The store bundled with Kubeflow Pipelines answers at"
            " http://localhost:9000 after kubectl --namespace kubeflow port-forward service/seaweedfs 9000:9000"
        ) from error
