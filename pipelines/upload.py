"""A recipe in Kubeflow Pipelines: its pipeline, the version that holds its package, the experiment of its runs."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medseg.config import Recipe
from pipelines.connection import Connection
from pipelines.package import compile_package


@dataclass(frozen=True)
class Version:
    """A pipeline version on the server.

    Attributes:
        name: of the pipeline and a hash of the package.
        is_new: it was uploaded just now.
    """

    pipeline_id: str
    version_id: str
    name: str
    is_new: bool


def upload(connection: Connection, recipe: Recipe) -> Version:
    """The version of a recipe's package, uploaded unless the pipeline has it: named after its content."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "benchmark.yaml"
        compile_package(recipe, package)
        pipeline = next(yaml.load_all(package.read_text(), yaml.CSafeLoader))["pipelineInfo"]["name"]
        name = f"{pipeline}-{hashlib.sha256(package.read_bytes()).hexdigest()[:12]}"
        pipeline_id = _pipeline_id(connection, pipeline)
        client = connection.client
        found = client.list_pipeline_versions(pipeline_id, filter=equals("display_name", name)).pipeline_versions
        version = (found or [None])[0] or client.pipeline_uploads.upload_pipeline_version(
            str(package), name=name, display_name=name, pipelineid=pipeline_id
        )
    return Version(pipeline_id, version.pipeline_version_id, name, is_new=not found)


def experiment_id(connection: Connection, recipe: Recipe) -> str:
    """The experiment that the recipe's runs are listed under, made if it is not there."""
    from kfp_server_api import V2beta1Experiment

    name = recipe.cluster.experiment or recipe.name
    found = connection.client.list_experiments(
        namespace=connection.namespace, filter=equals("display_name", name)
    ).experiments
    experiment = (found or [None])[0] or connection.client.experiments.experiment_service_create_experiment(
        V2beta1Experiment(display_name=name, namespace=connection.namespace)
    )
    return str(experiment.experiment_id)


def equals(key: str, value: str) -> str:
    """A filter of the API's lists."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": key, "stringValue": value}]})


def find_pipeline(connection: Connection, name: str) -> str | None:
    """The id of the pipeline with this name."""
    namespace = connection.namespace if connection.multi_user else None
    named = equals("display_name", name)
    found: list[Any] | None = connection.client.list_pipelines(namespace=namespace, filter=named).pipelines
    return str(found[0].pipeline_id) if found else None


def _pipeline_id(connection: Connection, name: str) -> str:
    """Made empty: an upload would name its first version after the pipeline instead of its content."""
    from kfp_server_api import V2beta1Pipeline

    if found := find_pipeline(connection, name):
        return found
    namespace = connection.namespace if connection.multi_user else None
    made = connection.client.pipelines.pipeline_service_create_pipeline(
        V2beta1Pipeline(name=name, display_name=name, namespace=namespace)
    )
    return str(made.pipeline_id)
