"""The DAG: ingest -> preprocess -> one sub-pipeline per model -> gate, with report as exit task around it all."""

# no `from __future__ import annotations`: kfp reads the annotations of pipeline functions as objects
import copy
import re
from itertools import product

from kfp import dsl
from kfp.dsl.base_component import BaseComponent
from kfp.dsl.python_component import PythonComponent

from components.evaluate.component import evaluate
from components.gate.component import gate
from components.ingest.component import ingest, ingest_shard
from components.preprocess.component import preprocess, preprocess_shard
from components.report.component import report
from components.train.component import train
from components.turn.component import turn
from medseg import artifacts
from medseg.config import EMBEDDED, Recipe
from pipelines.pods import OneMachine, Pods, pipeline_config

EMBEDDED_BUCKET_URI = "s3://medseg"  # on a cluster the pods' AWS variables say where that bucket is


def build_pipeline(recipe: Recipe, local: bool = False) -> BaseComponent:
    """The benchmark of a recipe.

    The recipe goes to ingest alone, which stores it; every other task carries the run's URI and, where the recipe fixes
    no ``run_id``, KFP's id of the run. Both are constants of every task and not parameters: KFP fills its id in where
    it is a whole argument of a task, and an exit task may not use another task's output.

    Args:
        local: for ``kfp.local``, one training at a time: a second one would take the first one's cores and memory.
    """
    run = run_of(recipe)
    pods = OneMachine(recipe) if local else Pods(recipe)
    branches = {entry.model: _branch(pods, entry.model, run, _at_a_time(recipe, local)) for entry in recipe.models}

    @dsl.pipeline(
        name=kfp_name(recipe.name),
        description=f"Segmentation benchmark {recipe.name}",
        pipeline_config=pipeline_config(recipe.cluster),
    )
    def benchmark() -> None:
        report_task = pods.closing(_uncached(report(**run)))
        with dsl.ExitHandler(report_task, name="benchmark"):
            dataset = _ingested(pods, run)
            preprocess_task = _preprocessed(pods, run, dataset)
            models = {model: branch(preprocessed_uri=preprocess_task.output) for model, branch in branches.items()}
            if not local:
                _take_turns(pods, run, models, preprocess_task)
            pods.closing(_uncached(gate(**run))).after(*models.values())

    return benchmark


def run_of(recipe: Recipe) -> dict[str, str]:
    """What tells each task the run's folder: see ``components.task.task``."""
    runs = store_uri(recipe)
    if recipe.run_id:
        return {"run_uri": artifacts.run_uri(runs, recipe.run_id)}
    return {"run_uri": artifacts.run_uri(runs, recipe.name[:40]), "job_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER}


def store_uri(recipe: Recipe) -> str:
    return EMBEDDED_BUCKET_URI if recipe.store.uri == EMBEDDED else recipe.store.uri


def _branch(pods: Pods, model: str, run: dict[str, str], parallelism: int) -> BaseComponent:
    """The sub-pipeline of one model; seeds and folds loop inside it, which keeps large recipes small."""
    recipe = pods.recipe
    units = [{"seed": seed, "fold": fold} for seed, fold in product(recipe.train.seeds, range(recipe.split.folds))]

    @dsl.pipeline(name=kfp_name(model))
    def branch(preprocessed_uri: str) -> None:
        with dsl.ParallelFor(items=units, parallelism=parallelism, name="seeds-and-folds") as unit:
            which = {**run, "model": model, "seed": unit.seed, "fold": unit.fold}
            train_task = _uncached(_own(train, model)(preprocessed_uri=preprocessed_uri, **which))
            pods.training(train_task.set_display_name("train"), model)
            evaluate_task = _uncached(_own(evaluate, model)(unit_uri=train_task.output, **which))
            pods.training(evaluate_task.set_display_name("evaluate"), model)

    return branch


def _own(component: PythonComponent, model: str) -> PythonComponent:
    """A component under a name of this model alone.

    kfp 2.17 gives the first sub-pipeline's pods the settings of later ones' where their components share a name: it
    merges platform specifications before all of their labels are unique (``_merge_deployment_spec``).
    """
    spec = copy.copy(component.component_spec)
    spec.name = f"{spec.name}-{kfp_name(model)}"
    return PythonComponent(spec, component.python_func)


def _at_a_time(recipe: Recipe, local: bool) -> int:
    """Seeds and folds of one model that run at a time; 0 leaves it to the cluster."""
    if local:
        return 1
    limit = recipe.resources.max_parallel
    return max(1, limit // len(recipe.models)) if limit else 0


def _take_turns(pods: Pods, run: dict[str, str], models: dict[str, dsl.PipelineTask], start: dsl.PipelineTask) -> None:
    """Models past ``resources.max_parallel`` begin when an earlier one has ended, however it ended.

    A model after a model would be left out where that one fails; a turn never fails because of others.
    """
    limit = pods.recipe.resources.max_parallel
    if limit is None:
        return
    before = start
    for model in list(models)[limit:]:
        before = pods.waiting(_uncached(turn(**run, model=model))).after(before)
        before.set_display_name(f"turn of {model}")
        models[model].after(before)


def _ingested(pods: Pods, run: dict[str, str]) -> dsl.PipelineTask:
    recipe = pods.recipe
    given = {"recipe": recipe.to_yaml(), **run}
    shards = [_shard(pods.data(ingest_shard(**given, part=part)), "ingest", part) for part in _parts(recipe)]
    return pods.data(_uncached(ingest(**given, merge=bool(shards)))).after(*shards)


def _preprocessed(pods: Pods, run: dict[str, str], dataset: dsl.PipelineTask) -> dsl.PipelineTask:
    given = {**run, "dataset_uri": dataset.outputs["Output"]}
    shards = [
        _shard(pods.data(preprocess_shard(**given, part=part)), "preprocess", part) for part in _parts(pods.recipe)
    ]
    return pods.data(_uncached(preprocess(**given, merge=bool(shards)))).after(*shards)


def _parts(recipe: Recipe) -> list[str]:
    """A static list: what the last step waits for cannot be a loop."""
    return [f"{index}/{recipe.shards}" for index in range(1, recipe.shards + 1)] if recipe.shards > 1 else []


def _shard(task: dsl.PipelineTask, verb: str, part: str) -> dsl.PipelineTask:
    return _uncached(task).set_display_name(f"{verb} {part}")


def _uncached(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """KFP's cache does not know what is in the bucket; the stages themselves skip what is done."""
    return task.set_caching_options(False)


def kfp_name(name: str) -> str:
    """A recipe's or a model's name as Kubeflow Pipelines takes it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
