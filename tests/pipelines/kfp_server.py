"""A local HTTP server that plays the API of Kubeflow Pipelines 2.17, with its state in memory."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import unquote

from kfp_server_api import (
    V2beta1Experiment,
    V2beta1Pipeline,
    V2beta1PipelineVersion,
    V2beta1PipelineVersionReference,
    V2beta1RecurringRun,
    V2beta1Run,
)

from tests.pipelines.kfp_http import HttpServer, RefusedError, Request, page, uploaded
from tests.pipelines.kfp_models import to_json
from tests.pipelines.kfp_tasks import Tasks

V2 = "/apis/v2beta1"
START = datetime(2026, 11, 22, 2, tzinfo=UTC)
LOGIN_PAGE = b"<!doctype html><title>Log in to Your Account</title>"
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


@dataclass
class KfpServer:
    """Plays the server while the context is open; tests look into its state and change it.

    Attributes:
        token: that every request must bear; None asks for none.
        refused: status of every answer, e.g. 403; None answers.
        version: tag of the server; 1 plays Kubeflow Pipelines 1.
        behind_ui: plays the UI in front of the API, which tells its health and logs in its own way.
        login: of a proxy in front, whose page is the answer to all but the question for the health.
        logs: of pods, by name.
        private: nobody may read logs.
        looks: what happens before each answer about one run, one at a time.
        requests: all that came, the oldest first.
    """

    token: str | None = None
    refused: int | None = None
    version: str = "2.17.0"
    multi_user: bool = False
    behind_ui: bool = False
    login: bool = False
    pipelines: dict[str, V2beta1Pipeline] = field(default_factory=dict)
    versions: dict[str, V2beta1PipelineVersion] = field(default_factory=dict)
    experiments: dict[str, V2beta1Experiment] = field(default_factory=dict)
    runs: dict[str, V2beta1Run] = field(default_factory=dict)
    recurring_runs: dict[str, V2beta1RecurringRun] = field(default_factory=dict)
    tasks: dict[str, Tasks] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    private: bool = False
    looks: list[Callable[[], object]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    _server: HttpServer | None = None
    _port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, after ``stop`` again at the same address."""
        self._server = HttpServer(self._port, self.answer)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """As a server that died: connections are refused, what it knows is kept."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def fail(self, status: int = 503) -> None:
        """Among ``looks``: the answer is an error."""
        raise RefusedError(status, "no healthy upstream")

    def show_login(self) -> None:
        """Among ``looks``: the session in front of the server has ended, and a page asks for a login."""
        self.login = True

    def add_run(self, name: str, spec: Any) -> Tasks:
        """A run of a package that somebody uploaded earlier; its tasks."""
        pipeline = self._add_pipeline(V2beta1Pipeline(name=name))
        version = self._add_version(pipeline.pipeline_id, name, spec)
        reference = V2beta1PipelineVersionReference(pipeline.pipeline_id, version.pipeline_version_id)
        run = self._add_run(V2beta1Run(display_name=name, pipeline_version_reference=reference))
        return self.tasks[run.run_id]

    def tick(self, recurring_run_id: str) -> V2beta1Run | None:
        """The schedule's time has come: its new run, or None where it is off or its last run is still active."""
        job = self.recurring_runs[recurring_run_id]
        active = [
            run for run in self.runs.values() if run.recurring_run_id == recurring_run_id and run.state not in ENDED
        ]
        if job.status != "ENABLED" or len(active) >= int(job.max_concurrency):
            return None
        kubernetes_name = f"{job.display_name[:25].lower()}x7kq2"  # after which the controller names its runs
        return self._add_run(
            V2beta1Run(
                display_name=f"{kubernetes_name}-{len(self.runs) + 1}-3059462312",
                experiment_id=job.experiment_id,
                pipeline_version_reference=job.pipeline_version_reference,
                runtime_config=job.runtime_config,
                service_account=job.service_account,
                recurring_run_id=recurring_run_id,
            )
        )

    def answer(self, request: Request) -> Any:
        """JSON, or bytes of a log; raises RefusedError."""
        self.requests.append(request)
        if self.refused:
            raise RefusedError(self.refused, "refused by the test")
        if self.login and not request.path.endswith("/healthz"):
            return LOGIN_PAGE
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            raise RefusedError(401, "Request header error: there is no user identity header.")
        for method, pattern, handle in ROUTES:
            if method == request.method and (match := re.fullmatch(pattern, request.path)):
                return handle(self, request, *(unquote(part) for part in match.groups()))
        raise RefusedError(404, "Not Found")

    # health

    def _health(self, _request: Request) -> Any:
        if self.version.startswith("1."):
            raise RefusedError(404, "Not Found")
        if self.behind_ui:
            return {"apiServerReady": True, "apiServerTagName": self.version, "apiServerMultiUser": self.multi_user}
        return {"commit_sha": "abc", "tag_name": self.version, "multi_user": self.multi_user, "pipeline_store": "db"}

    def _old_health(self, _request: Request) -> Any:
        return {"commit_sha": "abc", "tag_name": self.version, "multi_user": self.multi_user}

    # experiments

    def _create_experiment(self, request: Request) -> Any:
        given = request.body("V2beta1Experiment")
        self._need_namespace(given.namespace)
        if any(other.display_name == given.display_name for other in self.experiments.values()):
            raise RefusedError(409, f"The name {given.display_name} already exist. Please specify a new name.")
        given.experiment_id, given.created_at, given.storage_state = _id(), self._now(), "AVAILABLE"
        if not self.multi_user:
            given.namespace = None
        self.experiments[given.experiment_id] = given
        return to_json(given)

    def _list_experiments(self, request: Request) -> Any:
        self._need_namespace(request.query.get("namespace"))
        return page("experiments", self.experiments, request)

    # pipelines and versions

    def _create_pipeline(self, request: Request) -> Any:
        return to_json(self._add_pipeline(request.body("V2beta1Pipeline")))

    def _upload_pipeline(self, request: Request) -> Any:
        spec = uploaded(request)
        name = request.query.get("name") or request.query["display_name"]
        pipeline = self._add_pipeline(
            V2beta1Pipeline(name=name, display_name=name, namespace=request.query.get("namespace"))
        )
        self._add_version(pipeline.pipeline_id, name, spec)
        return to_json(pipeline)

    def _upload_version(self, request: Request) -> Any:
        spec = uploaded(request)
        pipeline_id = request.query.get("pipelineid", "")
        _found(self.pipelines, pipeline_id)
        name = request.query.get("name") or request.query["display_name"]
        return to_json(self._add_version(pipeline_id, name, spec))

    def _list_versions(self, request: Request, pipeline_id: str) -> Any:
        _found(self.pipelines, pipeline_id)
        versions = {key: one for key, one in self.versions.items() if one.pipeline_id == pipeline_id}
        return page("pipeline_versions", versions, request)

    def _delete_pipeline(self, _request: Request, pipeline_id: str) -> Any:
        _found(self.pipelines, pipeline_id)
        if any(one.pipeline_id == pipeline_id for one in self.versions.values()):
            raise RefusedError(400, "Cannot delete pipeline with versions")
        return self.pipelines.pop(pipeline_id) and {}

    def _get_version(self, _request: Request, _pipeline_id: str, version_id: str) -> Any:
        return to_json(_found(self.versions, version_id))

    def _delete_version(self, _request: Request, _pipeline_id: str, version_id: str) -> Any:
        _found(self.versions, version_id)
        return self.versions.pop(version_id) and {}

    def _add_pipeline(self, given: V2beta1Pipeline) -> V2beta1Pipeline:
        given.name = given.name or given.display_name
        if not given.name:
            raise RefusedError(400, "pipeline's name cannot be empty")
        if any(other.name == given.name for other in self.pipelines.values()):
            raise RefusedError(409, f"The pipeline name {given.name} already exist. Please specify a new name.")
        given.pipeline_id, given.created_at = _id(), self._now()
        given.namespace = given.namespace if self.multi_user else None
        self.pipelines[given.pipeline_id] = given
        return given

    def _add_version(self, pipeline_id: str, name: str, spec: Any) -> V2beta1PipelineVersion:
        if any(one.pipeline_id == pipeline_id and one.name == name for one in self.versions.values()):
            raise RefusedError(409, f"The name {name} already exist. Please specify a new name.")
        version = V2beta1PipelineVersion(
            pipeline_id=pipeline_id,
            pipeline_version_id=_id(),
            name=name,
            display_name=name,
            created_at=self._now(),
            pipeline_spec=spec,
        )
        self.versions[version.pipeline_version_id] = version
        return version

    # runs

    def _create_run(self, request: Request) -> Any:
        return to_json(self._add_run(request.body("V2beta1Run")))

    def _list_runs(self, request: Request) -> Any:
        self._need_namespace(request.query.get("namespace") or request.query.get("experiment_id"))
        return page("runs", self.runs, request)

    def _get_run(self, _request: Request, run_id: str) -> Any:
        if self.looks:
            self.looks.pop(0)()
        if self.login:
            return LOGIN_PAGE
        run = _found(self.runs, run_id)
        answer = to_json(run)
        if run.state == "CANCELING":  # seen: a terminated run ends as FAILED, a moment later
            self.tasks[run_id].end("FAILED")
        return answer

    def _terminate_run(self, _request: Request, run_id: str) -> Any:
        run = _found(self.runs, run_id)
        if run.state in ENDED:
            raise RefusedError(400, f"Failed to terminate run {run_id}: it is in state {run.state}")
        run.state = "CANCELING"
        return {}

    def _delete_run(self, _request: Request, run_id: str) -> Any:
        _found(self.runs, run_id)
        return self.runs.pop(run_id) and {}

    def _log(self, _request: Request, run_id: str, pod: str) -> Any:
        _found(self.runs, run_id)
        if self.behind_ui:
            raise RefusedError(404, "Not Found")  # the UI passes on /apis/v2beta1 alone
        return self._log_of(pod)

    def _ui_log(self, request: Request) -> Any:
        if not self.behind_ui:
            raise RefusedError(404, "Not Found")
        _found(self.runs, request.query["runid"])
        return self._log_of(request.query["podname"])

    def _log_of(self, pod: str) -> bytes:
        if self.private:
            raise RefusedError(403, "User is not authorized to read logs")
        if pod not in self.logs:
            raise RefusedError(500, f"Failed to read logs: pods {pod!r} not found")
        return self.logs[pod].encode()

    def _add_run(self, given: V2beta1Run) -> V2beta1Run:
        if not given.display_name:
            raise RefusedError(400, "The run name is empty. Please specify a valid name")
        self._check_source(given)
        given.run_id, given.created_at, given.scheduled_at = _id(), self._now(), self._now()
        given.state, given.storage_state = "PENDING", "AVAILABLE"
        self.tasks[given.run_id] = Tasks(given)
        self.runs[given.run_id] = given
        return given

    # recurring runs: there is no call that changes one

    def _create_recurring_run(self, request: Request) -> Any:
        given = request.body("V2beta1RecurringRun")
        if not given.display_name or not 1 <= int(given.max_concurrency or 0) <= 10:
            raise RefusedError(400, "Recurring run's name cannot be empty, max concurrency is 1 to 10")
        if given.trigger.cron_schedule and len(given.trigger.cron_schedule.cron.split()) != 6:
            raise RefusedError(400, f"Schedule cron is not a supported format: {given.trigger.cron_schedule.cron}")
        self._check_source(given)
        given.recurring_run_id, given.created_at = _id(), self._now()
        given.status = "ENABLED" if given.mode == "ENABLE" else "DISABLED"
        self.recurring_runs[given.recurring_run_id] = given
        return to_json(given)

    def _list_recurring_runs(self, request: Request) -> Any:
        self._need_namespace(request.query.get("namespace") or request.query.get("experiment_id"))
        return page("recurringRuns", self.recurring_runs, request)

    def _switch_recurring_run(self, _request: Request, key: str, action: str) -> Any:
        job = _found(self.recurring_runs, key)
        job.mode, job.status = action.upper(), f"{action.upper()}D"
        return {}

    def _delete_recurring_run(self, _request: Request, key: str) -> Any:
        _found(self.recurring_runs, key)
        return self.recurring_runs.pop(key) and {}

    # rules

    def _check_source(self, given: V2beta1Run | V2beta1RecurringRun) -> None:
        if given.experiment_id or self.multi_user:
            _found(self.experiments, given.experiment_id or "")
        if version := given.pipeline_version_reference:
            _found(self.pipelines, version.pipeline_id)
            _found(self.versions, version.pipeline_version_id)
        elif not given.pipeline_spec:
            raise RefusedError(400, "A run needs a pipeline version or a pipeline spec")

    def _need_namespace(self, namespace: str | None) -> None:
        if self.multi_user and not namespace:
            raise RefusedError(400, "cannot have an empty namespace in multi-user mode")

    def _now(self) -> datetime:
        return START + timedelta(seconds=len(self.requests) + len(self.runs))


def _item(collection: str) -> Callable[[KfpServer, Request, str], Any]:
    return lambda server, _request, key: to_json(_found(getattr(server, collection), key))


ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", f"{V2}/healthz", KfpServer._health),
    ("GET", "/apis/v1beta1/healthz", KfpServer._old_health),
    ("POST", f"{V2}/experiments", KfpServer._create_experiment),
    ("GET", f"{V2}/experiments", KfpServer._list_experiments),
    ("GET", f"{V2}/experiments/([^/:]+)", _item("experiments")),
    ("POST", f"{V2}/pipelines", KfpServer._create_pipeline),
    ("GET", f"{V2}/pipelines", lambda server, request: page("pipelines", server.pipelines, request)),
    ("POST", f"{V2}/pipelines/upload", KfpServer._upload_pipeline),
    ("POST", f"{V2}/pipelines/upload_version", KfpServer._upload_version),
    ("GET", f"{V2}/pipelines/([^/:]+)", _item("pipelines")),
    ("DELETE", f"{V2}/pipelines/([^/:]+)", KfpServer._delete_pipeline),
    ("GET", f"{V2}/pipelines/([^/:]+)/versions", KfpServer._list_versions),
    ("GET", f"{V2}/pipelines/([^/:]+)/versions/([^/:]+)", KfpServer._get_version),
    ("DELETE", f"{V2}/pipelines/([^/:]+)/versions/([^/:]+)", KfpServer._delete_version),
    ("POST", f"{V2}/runs", KfpServer._create_run),
    ("GET", f"{V2}/runs", KfpServer._list_runs),
    ("GET", f"{V2}/runs/([^/:]+)", KfpServer._get_run),
    ("DELETE", f"{V2}/runs/([^/:]+)", KfpServer._delete_run),
    ("POST", f"{V2}/runs/([^/:]+):terminate", KfpServer._terminate_run),
    ("GET", "/apis/v1alpha1/runs/([^/:]+)/nodes/([^/:]+)/log", KfpServer._log),
    ("GET", "/k8s/pod/logs", KfpServer._ui_log),
    ("POST", f"{V2}/recurringruns", KfpServer._create_recurring_run),
    ("GET", f"{V2}/recurringruns", KfpServer._list_recurring_runs),
    ("GET", f"{V2}/recurringruns/([^/:]+)", _item("recurring_runs")),
    ("POST", f"{V2}/recurringruns/([^/:]+):(enable|disable)", KfpServer._switch_recurring_run),
    ("DELETE", f"{V2}/recurringruns/([^/:]+)", KfpServer._delete_recurring_run),
]


def _found(collection: dict[str, Any], key: str) -> Any:
    if key not in collection:
        raise RefusedError(404, f"{key} not found")
    return collection[key]


def _id() -> str:
    return str(uuid.uuid4())
