"""``status``, ``logs``, ``cancel`` and ``fetch``: what a person does with a run on a cluster."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import Any

from medseg import artifacts
from pipelines import connection
from pipelines.connection import Connection, connect, given
from pipelines.errors import ClusterError
from pipelines.runs.find import find_run, newest_runs
from pipelines.runs.logs import pod_logs, read_log
from pipelines.runs.plan import plan_of
from pipelines.runs.progress import describe, progress
from pipelines.runs.results import fetch_report
from pipelines.runs.tasks import ENDED, read_tasks
from pipelines.runs.watch import watch

LISTED = 20
RUN_HELP = "KFP's id of a run, its name, the name of its folder in the store, or a recipe's name for its newest run"


def add_parser(commands: Any) -> None:
    """Add the commands to an argparse parser's subparsers."""
    status = _command(commands, "status", "how far a run is; without a run, the newest ones", _status, run="?")
    status.add_argument("--wait", action="store_true", help="follow it to its end; exit status 0 if it succeeded")
    logs = _command(commands, "logs", "what a run's pods wrote, also after they are gone", _logs)
    logs.add_argument(
        "part", nargs="?", metavar="MODEL", help="or ingest, preprocess, gate, report; without it, list them"
    )
    _command(commands, "cancel", "end a run; what was finished stays in the store", _cancel)
    fetch = _command(commands, "fetch", "copy a run's report and tables into a folder", _fetch)
    fetch.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: named after the run's folder")


def _command(commands: Any, name: str, text: str, run_command: Any, run: str | None = None) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("run", nargs=run, metavar="RUN", help=RUN_HELP)
    connection.add_arguments(parser)
    parser.set_defaults(command=run_command)
    return parser


def _status(options: argparse.Namespace) -> int:
    if options.wait and not options.run:
        raise ClusterError("--wait: name the RUN to follow; python -m pipelines status lists them")
    with connect(options) as open_connection:
        if not options.run:
            return _list(open_connection)
        run = find_run(open_connection, options.run)
        plan = plan_of(open_connection, run)
        if options.wait:
            return watch(open_connection, run.run_id, plan, plan.recipe, options)
        _print_head(open_connection, run, plan.run_uri)
        for part, words in progress(run, plan).items():
            print(f"{part:<12}{words}")
    return 0


def _list(open_connection: Connection) -> int:
    runs = list(islice(newest_runs(open_connection), LISTED))
    if not runs:
        print(f"no runs in namespace {open_connection.namespace} at {open_connection.endpoint}")
    for run in runs:
        print(f"{run.run_id}  {run.created_at:%Y-%m-%d %H:%M}  {run.display_name}  {describe(run)}")
    return 0


def _print_head(open_connection: Connection, run: Any, run_uri: str) -> None:
    print(f"{run.display_name}: {describe(run)}")
    print_place(open_connection, run.run_id, run_uri)


def print_place(open_connection: Connection, run_id: str, run_uri: str) -> None:
    """Where a run is seen: its page, its id and its folder."""
    print(f"{'page':<12}{open_connection.run_url(run_id)}")
    if open_connection.ui_hint:
        print(f"{'':<12}opens after: {open_connection.ui_hint}")
    print(f"{'run':<12}{run_id}")
    print(f"{'folder':<12}{run_uri}", flush=True)


def _logs(options: argparse.Namespace) -> int:
    with connect(options) as open_connection:
        run = find_run(open_connection, options.run)
        plan = plan_of(open_connection, run)
        logs = list(pod_logs(read_tasks(run, plan), plan))
        if not options.part:
            for log in logs:
                print(f"{log.title:<48}{log.pod.name}")
            if not logs:
                print(f"no pod has started yet: python -m pipelines status {run.run_id}{given(options)}")
            return 0
        if options.part not in plan.parts:
            raise ClusterError(f"{options.part!r} is no part of the run; choices: {', '.join(plan.parts)}")
        found = False
        for log in (log for log in logs if log.part == options.part):
            text = read_log(open_connection, run.run_id, log.pod)
            print(f"== {log.title} ({log.pod.name})\n{text or 'no log is kept of this pod'}", flush=True)
            found = True
        if not found:
            print(f"no pod of {options.part} has started: python -m pipelines status {run.run_id}{given(options)}")
    return 0


def _cancel(options: argparse.Namespace) -> int:
    with connect(options) as open_connection:
        run = find_run(open_connection, options.run)
        if run.state in ENDED:
            print(f"{run.display_name} ({run.run_id}) has ended already: {describe(run)}")
            return 0
        if run.state == "CANCELING":
            print(f"{run.display_name} ({run.run_id}) is being cancelled already")
            return 0
        plan = plan_of(open_connection, run)  # a run that is not ours is left alone
        open_connection.client.terminate_run(run.run_id)
        print(f"{run.display_name} ({run.run_id}) is being cancelled; what was finished stays in the store")
        print(f"report of what is there: medseg report {plan.run_uri}")
    return 0


def _fetch(options: argparse.Namespace) -> int:
    with connect(options) as open_connection:
        plan = plan_of(open_connection, find_run(open_connection, options.run))
        namespace = open_connection.namespace
    folder = options.output or Path(artifacts.run_id(plan.run_uri))
    files = fetch_report(plan.recipe, plan.run_uri, folder, namespace)
    print(f"{files} files in {folder}; open {folder / artifacts.REPORT_FILE}")
    return 0
