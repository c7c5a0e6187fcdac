"""The logs of a run's pods, while they run and after they are gone, each start of a retried task on its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.connection import Connection
from pipelines.runs.plan import Plan
from pipelines.runs.tasks import Pod, Task

VERBS = ("turn", "train", "evaluate")


@dataclass(frozen=True)
class PodLog:
    """A pod that has, or had, a log.

    Attributes:
        title: which start of which task it was, and how it ended.
    """

    part: str
    title: str
    pod: Pod


def pod_logs(tasks: list[Task], plan: Plan) -> Iterator[PodLog]:
    """All pods of a run in the plan's order: parts, trainings, train before evaluate, first start first."""
    for task in sorted(tasks, key=lambda task: _order(task, plan)):
        for attempt, pod in enumerate(task.pods, start=1):
            yield PodLog(task.part, _title(task, attempt, pod, plan), pod)


def read_log(connection: Connection, run_id: str, pod: Pod) -> str:
    """What a pod wrote; empty if nothing is kept of it.

    The API server reads the pod's own log while there is a pod, and the archived one afterwards. The UI in front of it
    has another address for the same.

    Raises:
        ApiException: this user may not read it.
    """
    from kfp_server_api import ApiException

    client = connection.client
    answer = client.get(f"/apis/v1alpha1/runs/{run_id}/nodes/{pod.name}/log")
    if answer.status == 404 or "html" in answer.headers.get("content-type", ""):
        answer = client.get("/k8s/pod/logs", podname=pod.name, runid=run_id, podnamespace=connection.namespace)
    if answer.status in (401, 403):
        raise ApiException(http_resp=answer)
    return answer.data.decode(errors="replace") if answer.status == 200 else ""


def _title(task: Task, attempt: int, pod: Pod, plan: Plan) -> str:
    words = [task.part]
    if task.unit is not None:
        words.append(plan.units[task.part][task.unit])
    if task.verb != task.part:
        words.append(task.verb)
    if len(task.pods) > 1:
        words.append(f"start {attempt}")
    return f"{' '.join(words)}: {(pod.state or 'unknown').lower()}"


def _order(task: Task, plan: Plan) -> tuple[int, int, int, str]:
    part = plan.parts.index(task.part) if task.part in plan.parts else len(plan.parts)
    verb = VERBS.index(task.verb) if task.verb in VERBS else -1
    return part, -1 if task.unit is None else task.unit, verb, task.verb
