"""``submit``: a recipe becomes a run on a cluster."""

from __future__ import annotations

import argparse
import logging
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from medseg import artifacts
from medseg.config import Recipe
from pipelines import connection
from pipelines.connection import Connection, connect, given
from pipelines.errors import ClusterError
from pipelines.pod_check import check_for_pods
from pipelines.recipe_arguments import add_recipe, read_recipe
from pipelines.runs.command import print_place
from pipelines.runs.find import newest_runs
from pipelines.runs.plan import plan_of
from pipelines.runs.tasks import ENDED
from pipelines.runs.watch import watch

log = logging.getLogger(__name__)

LOOKED_AT = 100
GATEWAY = (502, 504)  # gave up on a server that may have gone on


def add_parser(commands: Any) -> None:
    """Add the command to an argparse parser's subparsers."""
    text = "run a recipe on a cluster with Kubeflow Pipelines"
    parser = commands.add_parser("submit", help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_recipe(parser)
    parser.add_argument("--wait", action="store_true", help="follow it to its end; exit status 0 if it succeeded")
    connection.add_arguments(parser)
    parser.set_defaults(command=submit)


def submit(options: argparse.Namespace) -> int:
    """Upload the recipe's package, start a run of it and say where it is seen."""
    recipe = read_recipe(options)
    check_for_pods(recipe, str(options.recipe))
    with connect(options, recipe.cluster.namespace) as open_connection:
        _refuse_a_second_writer(open_connection, recipe, options)
        run = _start(open_connection, recipe, options)
        plan = plan_of(open_connection, run)
        print_place(open_connection, run.run_id, plan.run_uri)
        if not options.wait:
            print(f"follow it: python -m pipelines status --wait {run.run_id}{given(options)}")
            return 0
        return watch(open_connection, run.run_id, plan, recipe, options)


def _start(open_connection: Connection, recipe: Recipe, options: argparse.Namespace) -> Any:
    from kfp_server_api import V2beta1PipelineVersionReference, V2beta1Run, V2beta1RuntimeConfig

    from pipelines.upload import experiment_id, upload

    version = upload(open_connection, recipe)
    print(f"{'pipeline':<12}{version.name} {'uploaded' if version.is_new else 'is there already'}")
    run = V2beta1Run(
        display_name=f"{recipe.run_id or recipe.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
        experiment_id=experiment_id(open_connection, recipe),
        pipeline_version_reference=V2beta1PipelineVersionReference(version.pipeline_id, version.version_id),
        runtime_config=V2beta1RuntimeConfig(parameters={}),
        service_account=recipe.cluster.service_account,
    )
    return _create(open_connection, run, options)


def _create(open_connection: Connection, run: Any, options: argparse.Namespace) -> Any:
    """A new run; where the answer was lost on its way, the person is told that it may have started."""
    from kfp_server_api import ApiException
    from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

    try:
        return open_connection.client.runs.run_service_create_run(run)
    except (ApiException, HTTPError) as error:
        never_sent = isinstance(getattr(error, "reason", error), NewConnectionError | ConnectTimeoutError)
        if not never_sent and getattr(error, "status", 504) in GATEWAY:
            log.error(
                "the run may have started: look with python -m pipelines status%s before submitting again",
                given(options),
            )
        raise


def _refuse_a_second_writer(open_connection: Connection, recipe: Recipe, options: argparse.Namespace) -> None:
    """With a fixed ``run_id`` a later run goes on in the same folder, but not while the earlier one still writes there.

    Raises:
        ClusterError: a run of this ``run_id`` has not ended.
    """
    if not recipe.run_id:
        return
    from pipelines.benchmark import store_uri

    run_uri = artifacts.run_uri(store_uri(recipe), recipe.run_id)
    for run in islice(newest_runs(open_connection), LOOKED_AT):
        if run.state not in ENDED and _folder(open_connection, run) == run_uri:
            its = f"{run.run_id}{given(options)}"
            raise ClusterError(
                f"run_id = {recipe.run_id!r}: a run that has not ended writes into {run_uri}\n"
                f"  follow it:       python -m pipelines status --wait {its}\n"
                f"  end it:          python -m pipelines cancel {its}\n"
                "  run beside it:   --set run_id=OTHER"
            )


def _folder(open_connection: Connection, run: Any) -> str | None:
    try:
        return plan_of(open_connection, run).run_uri
    except ClusterError:  # somebody else's pipeline
        return None
