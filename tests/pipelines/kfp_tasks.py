"""How the API tells the tasks of a run: Argo's nodes, each with the nodes that come after it, and pods by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from kfp_server_api import PipelineTaskDetailChildTask, V2beta1PipelineTaskDetail, V2beta1Run, V2beta1RunDetails

CONTAINER, DRIVER = "system-container-impl", "system-container-driver"
START = datetime(2026, 11, 22, 3, tzinfo=UTC)


class Tasks:
    """Tasks of one run, advanced by hand.

    A task is named by its path, e.g. ``exit-handler-1/unet/for-loop-1/0/train``: a number is an iteration. Every node
    appears as ``x`` and as its attempts ``x(0)``, ``x(1)``, as with the retry strategy that the overlays set.
    """

    def __init__(self, run: V2beta1Run) -> None:
        self.run = run
        self._workflow = "benchmark-abc12"
        self._numbers = count(1)
        self._nodes: dict[str, list[V2beta1PipelineTaskDetail]] = {}  # of a path: the retried node, then its attempts
        run.run_details = V2beta1RunDetails(task_details=[])
        self._add("root", "root", after=None)

    def start(self, path: str, after: str | None = None) -> str:
        """A task runs, in the folders that it lies in, after a task beside it; the name of its pod."""
        self.run.state = "RUNNING"
        parents = path.split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            if "/".join(parents[:depth]) not in self._nodes:
                self._enter("/".join(parents[:depth]), None)
        self._enter(path, after)
        return str(self._add(f"{path}/executor", "executor", self._nodes[path][-1], CONTAINER).pod_name)

    def retry(self, path: str) -> str:
        """The task's pod has failed and another one runs; its name."""
        retried, *attempts = self._nodes[f"{path}/executor"]
        attempts[-1].state = "FAILED"
        return str(self._attempt(f"{path}/executor", retried, len(attempts), CONTAINER).pod_name)

    def finish(self, path: str, state: str = "SUCCEEDED") -> None:
        """A task, or a folder of tasks, has ended."""
        for retried, *attempts in filter(None, (self._nodes.get(path), self._nodes.get(f"{path}/executor"))):
            for node in (retried, attempts[-1]):
                node.state, node.end_time = state, self._time()

    def omit(self, path: str) -> None:
        """What never starts because something before it failed has no state."""
        self._nodes[path] = [self._one(path.rpartition("/")[2], "comp")]
        self._nodes[path][0].state = None

    def end(self, state: str) -> None:
        """The whole run has ended."""
        self.run.state, self.run.finished_at = state, self._time()

    def _enter(self, path: str, after: str | None) -> None:
        parent, _, name = path.rpartition("/")
        before = self._nodes[f"{after}/executor" if after else parent or "root"][-1]
        if name.isdigit():
            name = f"iteration-iterations({name}:{name})"
        else:
            before = self._add(f"{path}-driver", f"{name}-driver", before, DRIVER)
            self.finish(f"{path}-driver")
        self._add(path, name, before)

    def _add(self, path: str, name: str, after: V2beta1PipelineTaskDetail | None, template: str = "comp") -> Any:
        retried = self._one(name, template)
        if after is not None:
            self._link(after, retried)
        self._nodes[path] = [retried]
        return self._attempt(path, retried, 0, template)

    def _attempt(self, path: str, retried: Any, number: int, template: str) -> Any:
        attempt = self._one(f"{retried.display_name}({number})", template)
        self._link(retried, attempt)
        self._nodes[path].append(attempt)
        return attempt

    def _one(self, name: str, template: str) -> V2beta1PipelineTaskDetail:
        number = next(self._numbers)
        node = V2beta1PipelineTaskDetail(
            run_id=self.run.run_id,
            task_id=f"task-{number}",
            display_name=name,
            pod_name=f"{self._workflow}-{template}-{number}",
            state="RUNNING",
            create_time=self._time(),
            start_time=self._time(),
            child_tasks=[],
        )
        self.run.run_details.task_details.append(node)
        return node

    def _link(self, before: V2beta1PipelineTaskDetail, after: V2beta1PipelineTaskDetail) -> None:
        number = after.pod_name.rsplit("-", 1)[1]  # told by its node's id, which lacks the template's name
        before.child_tasks.append(PipelineTaskDetailChildTask(pod_name=f"{self._workflow}-{number}"))

    def _time(self) -> datetime:
        return START + timedelta(seconds=len(self.run.run_details.task_details))
