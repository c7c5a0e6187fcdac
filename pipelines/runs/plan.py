"""What a run was asked to do, read from the package that it runs: recipe, folder in the store, models, trainings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from medseg.config import Recipe, recipe_from_yaml
from pipelines.connection import Connection
from pipelines.errors import ClusterError

JOB_ID = "{{$.pipeline_job_uuid}}"
Dag = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """A run's package, as far as its tasks are told by it.

    Attributes:
        run_uri: folder of the run in the store, as pods see it.
        branches: model of each sub-pipeline, by the sub-pipeline's task.
        steps: verb of each task inside a sub-pipeline, by task.
        others: part (a verb, or the model that waits for its turn) and verb of each task outside, by task.
        units: of each model, its trainings in the loop's order, e.g. ``seed 1 fold 0``.
    """

    run_uri: str
    recipe: Recipe
    branches: dict[str, str]
    steps: dict[str, str]
    others: dict[str, tuple[str, str]]
    units: dict[str, list[str]]

    @property
    def parts(self) -> list[str]:
        """In the order of a run."""
        return ["ingest", "preprocess", *(entry.model for entry in self.recipe.models), "gate", "report"]


def plan_of(connection: Connection, run: Any) -> Plan:
    """The plan of a run.

    Raises:
        ClusterError: the run is none of medseg's, or its pipeline version was deleted.
    """
    try:
        spec = run.pipeline_spec or _uploaded(connection, run)
        return _read(spec.get("pipeline_spec", spec), run.run_id)
    except (KeyError, AttributeError, StopIteration) as error:
        raise ClusterError(f"run {run.display_name} ({run.run_id}) is none that medseg started") from error


def _uploaded(connection: Connection, run: Any) -> Any:
    from kfp_server_api import ApiException

    version = run.pipeline_version_reference
    try:
        return connection.client.get_pipeline_version(version.pipeline_id, version.pipeline_version_id).pipeline_spec
    except ApiException as error:
        if error.status != 404:
            raise
        raise ClusterError(
            f"the pipeline version of run {run.display_name} ({run.run_id}) was deleted: its page still shows its tasks"
        ) from error


def _read(spec: dict[str, Any], run_id: str) -> Plan:
    components = spec["components"]
    outer = dict(_tasks(spec["root"]["dag"], components))
    recipe = recipe_from_yaml(next(_constants("recipe", outer)), f"run {run_id}")
    run_uri = next(_constants("run_uri", outer))
    if JOB_ID in _constants("job_id", outer):
        run_uri = f"{run_uri}-{run_id}"
    branches: dict[str, str] = {}
    steps: dict[str, str] = {}
    units: dict[str, list[str]] = {}
    for key, task in outer.items():
        dag = components[task["componentRef"]["name"]].get("dag")
        if dag:
            inner = dict(_tasks(dag, components))
            model = branches[key] = next(_constants("model", inner))
            steps |= {name: step["taskInfo"]["name"] for name, step in inner.items()}
            units[model] = _units(dag)
    others = {key: _other(task) for key, task in outer.items() if key not in branches}
    return Plan(run_uri, recipe, branches, steps, others, units)


def _tasks(dag: Dag, components: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """All tasks of a graph; exit handlers and loops are entered, sub-pipelines are not."""
    for key, task in dag["tasks"].items():
        inner = components[task["componentRef"]["name"]].get("dag")
        if inner and ("parameterIterator" in task or key.startswith("exit-handler-")):
            yield from _tasks(inner, components)
        else:
            yield key, task


def _constants(parameter: str, tasks: dict[str, Any]) -> Iterator[str]:
    for task in tasks.values():
        given = task.get("inputs", {}).get("parameters", {}).get(parameter, {})
        if "runtimeValue" in given:
            yield given["runtimeValue"]["constant"]


def _units(dag: Dag) -> list[str]:
    (loop,) = (task for task in dag["tasks"].values() if "parameterIterator" in task)
    items = json.loads(loop["parameterIterator"]["items"]["raw"])
    return [f"seed {item['seed']} fold {item['fold']}" for item in items]


def _other(task: dict[str, Any]) -> tuple[str, str]:
    """``ingest 1/4`` belongs to ingest, ``turn of unet`` to unet."""
    verb = task["taskInfo"]["name"]
    return verb.split()[-1 if verb.startswith("turn") else 0], verb
