"""How far each part of a run is, in words: trainings are counted, everything else waits, runs, is done or failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from pipelines.runs.plan import Plan
from pipelines.runs.tasks import ENDED, Task, read_tasks

WORDS = {"PENDING": "waits for a node", "RUNNING": "runs", "SUCCEEDED": "done", "FAILED": "failed", None: "left out"}
WAITS = "waits"


def progress(run: Any, plan: Plan) -> dict[str, str]:
    """Each part of the plan, in its order, and how far it is."""
    tasks, ended = read_tasks(run, plan), run.state in ENDED
    words = {}
    for part in plan.parts:
        mine = [task for task in tasks if task.part == part]
        words[part] = _model(mine, len(plan.units[part]), ended) if part in plan.units else _step(mine, ended)
    return words


def failed_parts(run: Any, plan: Plan) -> list[str]:
    """Parts with a failed task, in the plan's order."""
    failed = {task.part for task in read_tasks(run, plan) if task.state == "FAILED"}
    return [part for part in plan.parts if part in failed]


def describe(run: Any) -> str:
    """State and duration of a run in words."""
    state = {"SUCCEEDED": "succeeded", "FAILED": "failed", "CANCELING": "is being cancelled"}.get(
        run.state, (run.state or "unknown").lower()
    )
    ended = run.finished_at if run.state in ENDED else None
    if not ended or not run.created_at or ended < run.created_at:
        return state
    return f"{state} after {timedelta(seconds=round((ended - run.created_at).total_seconds()))}"


def _step(tasks: list[Task], ended: bool) -> str:
    states = [task.state for task in tasks]
    if not states:
        return WORDS[None] if ended else WAITS
    if len(states) == 1:
        return _word(states[0])
    return _counted(_word(state) for state in states)


def _model(tasks: list[Task], units: int, ended: bool) -> str:
    """The trainings of a model; one is done when it is evaluated."""
    if not any(task.unit is not None for task in tasks):
        turn = any(task.state in ("PENDING", "RUNNING") for task in tasks)
        return WORDS[None] if ended else "waits for its turn" if turn else WAITS
    words = [_unit([task for task in tasks if task.unit == unit], ended) for unit in range(units)]
    if units == 1:
        return words[0]
    done = words.count(WORDS["SUCCEEDED"])
    rest = _counted(word for word in words if word != WORDS["SUCCEEDED"])
    return f"{done} of {units} done" + (f", {rest}" if rest else "")


def _unit(tasks: list[Task], ended: bool) -> str:
    states = {task.verb: task.state for task in tasks}
    if "FAILED" in states.values():
        return WORDS["FAILED"]
    if states.get("evaluate") == "SUCCEEDED":
        return WORDS["SUCCEEDED"]
    if ended:
        return WORDS[None]
    if "PENDING" in states.values():
        return WORDS["PENDING"]
    if "evaluate" in states or states.get("train") == "SUCCEEDED":
        return "is evaluated"
    return "trains" if states else WAITS


def _word(state: str | None) -> str:
    return WORDS.get(state, (state or "").lower())


def _counted(words: Iterable[str]) -> str:
    return ", ".join(f"{number} {word}" for word, number in Counter(words).items())
