"""The DAG: ingest -> preprocess -> one sub-pipeline per model -> gate, with report as exit task around it all."""

# no `from __future__ import annotations`: kfp reads the annotations of pipeline functions as objects
import re
from itertools import product

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.evaluate.component import evaluate
from components.gate.component import gate
from components.ingest.component import ingest, ingest_shard
from components.preprocess.component import preprocess, preprocess_shard
from components.report.component import report
from components.train.component import train
from medseg import artifacts
from medseg.config import EMBEDDED, Recipe

EMBEDDED_BUCKET_URI = "s3://medseg"  # on a cluster the pods' AWS variables say where that bucket is


def build_pipeline(recipe: Recipe, parallelism: int = 0) -> BaseComponent:
    """The benchmark of a recipe.

    The recipe goes to ingest alone, which stores it; every other task carries the run's URI. That URI is a constant
    of every task and not a parameter: with it the run's id may hold KFP's job id, which KFP resolves in a task's own
    arguments.

    Args:
        parallelism: seeds and folds of one model that run at a time; 0 leaves it to the cluster.
    """
    run_uri = artifacts.run_uri(
        store_uri(recipe), recipe.run_id or f"{recipe.name[:40]}-{dsl.PIPELINE_JOB_ID_PLACEHOLDER}"
    )
    branches = [_branch(recipe, entry.model, run_uri, parallelism) for entry in recipe.models]

    @dsl.pipeline(name=_kfp_name(recipe.name), description=f"Segmentation benchmark {recipe.name}")
    def benchmark() -> None:
        report_task = _uncached(report(run_uri=run_uri))
        with dsl.ExitHandler(report_task, name="benchmark"):
            dataset = _ingested(recipe, run_uri)
            preprocess_task = _preprocessed(recipe, run_uri, dataset)
            models = [branch(preprocessed_uri=preprocess_task.output) for branch in branches]
            _uncached(gate(run_uri=run_uri)).after(*models)

    return benchmark


def store_uri(recipe: Recipe) -> str:
    return EMBEDDED_BUCKET_URI if recipe.store.uri == EMBEDDED else recipe.store.uri


def _branch(recipe: Recipe, model: str, run_uri: str, parallelism: int) -> BaseComponent:
    """The sub-pipeline of one model; seeds and folds loop inside it, which keeps large recipes small."""
    units = [{"seed": seed, "fold": fold} for seed, fold in product(recipe.train.seeds, range(recipe.split.folds))]

    @dsl.pipeline(name=_kfp_name(model))
    def branch(preprocessed_uri: str) -> None:
        with dsl.ParallelFor(items=units, parallelism=parallelism, name="seeds-and-folds") as unit:
            which = {"run_uri": run_uri, "model": model, "seed": unit.seed, "fold": unit.fold}
            trained = _uncached(train(preprocessed_uri=preprocessed_uri, **which))
            _uncached(evaluate(unit_uri=trained.output, **which))

    return branch


def _ingested(recipe: Recipe, run_uri: str) -> dsl.PipelineTask:
    given = {"recipe": recipe.to_yaml(), "run_uri": run_uri}
    shards = [_shard(ingest_shard(**given, part=part), "ingest", part) for part in _parts(recipe)]
    return _uncached(ingest(**given, merge=bool(shards))).after(*shards)


def _preprocessed(recipe: Recipe, run_uri: str, dataset: dsl.PipelineTask) -> dsl.PipelineTask:
    given = {"run_uri": run_uri, "dataset_uri": dataset.outputs["Output"]}
    shards = [_shard(preprocess_shard(**given, part=part), "preprocess", part) for part in _parts(recipe)]
    return _uncached(preprocess(**given, merge=bool(shards))).after(*shards)


def _parts(recipe: Recipe) -> list[str]:
    """A static list: what the last step waits for cannot be a loop."""
    return [f"{index}/{recipe.shards}" for index in range(1, recipe.shards + 1)] if recipe.shards > 1 else []


def _shard(task: dsl.PipelineTask, verb: str, part: str) -> dsl.PipelineTask:
    return _uncached(task).set_display_name(f"{verb} {part}")


def _uncached(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """KFP's cache does not know what is in the bucket; the stages themselves skip what is done."""
    return task.set_caching_options(False)


def _kfp_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
