"""How far the tasks of a run are: the API's nodes, each with those after it, as tasks of a plan with their pods."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.runs.plan import Plan

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
POD = "executor"
_ATTEMPT = re.compile(r"\(\d+\)$")  # a node with retries appears as x, and as x(0) for each attempt
_ITERATION = re.compile(r"\((\d+):.*\)$")


@dataclass(frozen=True)
class Pod:
    """One start of a task.

    Attributes:
        state: as the API names it; None where it is told nothing of.
    """

    name: str
    state: str | None


@dataclass
class Task:
    """One task of a plan.

    Attributes:
        part: the model, or the verb of a task outside the models.
        unit: index of the training in the model's loop; None outside.
        state: PENDING until a pod runs; None if it was left out.
        pods: in the order of their starts.
    """

    part: str
    verb: str
    unit: int | None
    state: str | None
    pods: list[Pod] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """Where in the plan a node lies: what its ancestors told."""

    model: str | None = None
    unit: int | None = None
    part: str | None = None
    verb: str | None = None


def read_tasks(run: Any, plan: Plan) -> list[Task]:
    """The tasks that the API knows of, in no particular order.

    Nodes that follow after each other are linked, so a task's place is known from those before it: a model's nodes
    come after its sub-pipeline's, until a task outside of all models.
    """
    details = (run.run_details and run.run_details.task_details) or []
    nodes = {_number(node.pod_name or node.task_id or ""): node for node in details}
    tasks: dict[_Place, Task] = {}
    seen: set[str] = set()
    ways = [(start, _Place()) for start in _starts(nodes)]
    while ways:
        number, place = ways.pop()
        if number in seen or number not in nodes:
            continue
        seen.add(number)
        place = _take(tasks, nodes, number, place, plan)
        ways += [(child, place) for child in reversed(_children(nodes[number]))]
    for task in tasks.values():
        if task.state == "RUNNING" and (not task.pods or task.pods[-1].state in (None, "PENDING")):
            task.state = "PENDING"
    return list(tasks.values())


def _take(tasks: dict[_Place, Task], nodes: dict[str, Any], number: str, place: _Place, plan: Plan) -> _Place:
    """Add what a node tells to its task; the place of those after it."""
    node = nodes[number]
    name = _ATTEMPT.sub("", node.display_name or "")
    driver = name.endswith("-driver")
    entered = _enter(place, name.removesuffix("-driver"), plan)
    if driver and node.state != "FAILED":
        return place
    if entered.verb is None:
        return entered
    task = tasks.get(entered)
    if task is None:
        task = tasks[entered] = Task(entered.part or "", entered.verb, entered.unit, node.state)
    again = any(_ATTEMPT.sub("", nodes[one].display_name or "") == POD for one in _children(node) if one in nodes)
    if name == POD and not again:
        task.pods.append(Pod(node.pod_name, node.state))
    return entered


def _enter(place: _Place, name: str, plan: Plan) -> _Place:
    if name in plan.branches:
        return _Place(model=plan.branches[name])
    if name in plan.others:
        part, verb = plan.others[name]
        return _Place(part=part, verb=verb)
    if iteration := _ITERATION.search(name):
        return replace(place, unit=int(iteration[1]))
    if place.model and name in plan.steps:
        return replace(place, part=place.model, verb=plan.steps[name])
    return place


def _starts(nodes: dict[str, Any]) -> Iterator[str]:
    after = {child for node in nodes.values() for child in _children(node)}
    return (number for number in nodes if number not in after)


def _children(node: Any) -> list[str]:
    return [_number(child.pod_name or child.task_id or "") for child in node.child_tasks or []]


def _number(name: str) -> str:
    """Links name nodes, details name pods: their last part is the same."""
    return name.rsplit("-", 1)[-1]
