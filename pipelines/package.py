"""The compiled package of a recipe: what is uploaded to Kubeflow Pipelines, small enough for its API server."""

from __future__ import annotations

import json
import logging
from itertools import chain, count
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler

from medseg.config import Recipe
from pipelines.benchmark import build_pipeline

Document = dict[str, Any]
log = logging.getLogger(__name__)

ACCEPTED = 400 * 1024  # an API server took 398 KB and refused 491 KB, whose workflow went over 1 MB


def compile_package(recipe: Recipe, path: Path) -> None:
    """Write the KFP package of a recipe, pipeline and platform specification in one YAML file."""
    compiler.Compiler().compile(build_pipeline(recipe), str(path))
    pipeline, platform = yaml.load_all(path.read_text(), yaml.CSafeLoader)
    _share_executors(pipeline, platform)
    _share_components(pipeline)
    path.write_text(yaml.dump_all([pipeline, platform], Dumper=yaml.CSafeDumper, width=120))
    if (size := path.stat().st_size) > ACCEPTED:
        log.warning(
            "warning: the package has %.0f KB, and Kubeflow Pipelines refuses large ones (398 KB were taken, 491 not):"
            " fewer models, fewer shards, or equal resources of models make it smaller",
            size / 1024,
        )


def _share_executors(pipeline: Document, platform: Document) -> None:
    """Keep one of all equal executors.

    kfp writes them anew for every task whose pod has settings, which trebles the size of a recipe with many models; the
    backend takes each by its label, as often as a component names it.
    """
    executors = pipeline["deploymentSpec"]["executors"]
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    verbs = {label: executor["container"]["args"][-1] for label, executor in executors.items()}
    labels = _shared_names({label: [executors[label], pods.get(label)] for label in executors}, "exec", verbs)
    pipeline["deploymentSpec"]["executors"] = {labels[label]: executor for label, executor in executors.items()}
    platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"] = {
        labels[label]: pod for label, pod in pods.items()
    }
    for component in pipeline["components"].values():
        if label := component.get("executorLabel"):
            component["executorLabel"] = labels[label]


def _share_components(pipeline: Document) -> None:
    """Keep one of all equal components that run an executor; each is named like its executor."""
    components = pipeline["components"]
    leaves = {name: component for name, component in components.items() if "executorLabel" in component}
    verbs = {name: component["executorLabel"].removeprefix("exec-") for name, component in leaves.items()}
    names = _shared_names(leaves, "comp", verbs)
    pipeline["components"] = {names.get(name, name): component for name, component in components.items()}
    for graph in (pipeline["root"], *components.values()):
        for task in graph.get("dag", {}).get("tasks", {}).values():
            reference = task["componentRef"]
            reference["name"] = names.get(reference["name"], reference["name"])


def _shared_names(values: dict[str, Any], kind: str, verbs: dict[str, str]) -> dict[str, str]:
    """For each old name a new one that it has in common with all equal values: exec-train, exec-train-2, …"""
    shared: dict[str, str] = {}
    for name, value in values.items():
        numbered = (f"{kind}-{verbs[name]}-{number}" for number in count(2))
        free = (new for new in chain([f"{kind}-{verbs[name]}"], numbered) if new not in shared.values())
        shared.setdefault(json.dumps(value, sort_keys=True), next(free))
    return {name: shared[json.dumps(value, sort_keys=True)] for name, value in values.items()}
