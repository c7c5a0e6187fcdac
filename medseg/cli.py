"""The command ``medseg``: each stage alone, and what helps to prepare data for it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from medseg import __version__, artifacts
from medseg.config import EMBEDDED, PUBLISHED, Recipe, StoreConfig, load_recipe
from medseg.console import run_command, whole_number
from medseg.metric_commands import add_metrics_command
from medseg.model_commands import add_models_command
from medseg.run_commands import add_run_commands, run_of
from medseg.tensorboard_commands import add_tensorboard_command

MERGE = "merge"

Verb = Callable[..., int]  # (recipe, store URI) -> exit code; some take a part too
VERBS: dict[str, tuple[str, Verb]] = {}
PARTED = ("ingest", "preprocess")  # verbs that a fan-out of pods can share


def verb(help_text: str) -> Callable[[Verb], Verb]:
    """Register a function under its own name."""

    def register(function: Verb) -> Verb:
        VERBS[function.__name__] = (help_text, function)
        return function

    return register


@verb("raw scans become a canonical data set in the store")
def ingest(recipe: Recipe, store_uri: str, part: str = "") -> int:
    from medseg.stages import ingest as stage
    from medseg.stages.parts import Part

    if part and part != MERGE:
        stage.ingest_part(recipe, store_uri, Part.of(part))
        return 0
    uri = stage.merge_parts(recipe, store_uri) if part else stage.ingest(recipe, store_uri)
    print(stage.describe(uri))
    print(f"Data set: {uri}")
    return 0


@verb("an ingested data set becomes training arrays")
def preprocess(recipe: Recipe, store_uri: str, part: str = "") -> int:
    from medseg.stages import ingest as ingest_stage
    from medseg.stages import preprocess as stage
    from medseg.stages.parts import Part

    dataset_uri = ingest_stage.find_dataset(recipe, store_uri)
    if part and part != MERGE:
        stage.preprocess_part(recipe, dataset_uri, Part.of(part))
        return 0
    uri = stage.merge_preprocessed(recipe, dataset_uri) if part else stage.preprocess(recipe, dataset_uri)
    print(f"Training arrays: {uri}")
    return 0


@verb("the recipe's models are trained, in a new run or, with run_id, in that one")
def train(recipe: Recipe, store_uri: str) -> int:
    from medseg.stages import ingest as ingest_stage
    from medseg.stages import preprocess as preprocess_stage
    from medseg.stages import record
    from medseg.stages import train as stage

    preprocessed = preprocess_stage.find_preprocessed(recipe, ingest_stage.find_dataset(recipe, store_uri))
    recipe = recipe.with_run_id()
    run_uri = artifacts.run_uri(store_uri, recipe.run_id or "")
    record.record_run(recipe, run_uri)
    failed = []
    for model, seed, fold in _units(recipe):
        uri = stage.train(run_uri, preprocessed, model, seed, fold)
        reason = record.failure(uri)
        print(f"Trained: {uri}" if reason is None else f"Not trained: {uri}")
        failed += [] if reason is None else [f"{model} seed {seed} fold {fold}: {reason}"]
    print(f"Run: {recipe.run_id}; next: medseg evaluate … --set run_id={recipe.run_id}")
    return _fail_if(failed)


@verb("trained models predict the test cases and are scored; without run_id in the newest run of this name")
def evaluate(recipe: Recipe, store_uri: str) -> int:
    from medseg.stages import evaluate as stage

    run_uri = run_of(recipe, store_uri)
    failed = []
    for model, seed, fold in _units(recipe):
        summary = stage.evaluate(run_uri, model, seed, fold)
        if summary is None:
            failed.append(f"{model} seed {seed} fold {fold} has no model to evaluate")
            continue
        dice = summary.scores["dice"]
        print(f"{model} seed {seed} fold {fold}: Dice {'undefined' if dice is None else f'{dice:.4f}'}")
    return _fail_if(failed)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: int(options.command(options)))


def _stage(options: argparse.Namespace) -> int:
    from medseg.models.registry import check_models
    from medseg.storage import session

    recipe = load_recipe(options.recipe, options.set)
    check_models(recipe, str(options.recipe or "recipe from --set"))
    with session(recipe.store) as store_uri:
        work = VERBS[options.verb][1]
        if options.verb not in PARTED:
            return work(recipe, store_uri)
        if options.workers:
            recipe = recipe.model_copy(update={"workers": options.workers})
        return partial(work, part=MERGE if options.merge else options.shard)(recipe, store_uri)


def _layouts(_: argparse.Namespace) -> int:
    from medseg.data.layouts import describe_layouts

    print(describe_layouts())
    return 0


def _download(options: argparse.Namespace) -> int:
    from medseg.data.public_sets.download import describe_sets, download

    if not options.name:
        print(describe_sets())
        return 0
    print(f"Scans: {download(options.name, options.folder)}")
    return 0


def _inspect(options: argparse.Namespace) -> int:
    from medseg.pool import core_count
    from medseg.stages.ingest import find_dataset
    from medseg.stages.inspect import inspect
    from medseg.storage import session

    given = options.dataset
    recipe_path = Path(given) if given and given.endswith((".yaml", ".yml")) else None
    recipe = load_recipe(recipe_path, options.set if recipe_path or not given else ["dataset.name=any", *options.set])
    with session(recipe.store) as store_uri:
        uri = given if given and not recipe_path else find_dataset(recipe, store_uri)
        print(f"Report: {inspect(uri, recipe.workers or core_count())}")
    return 0


def _pull(options: argparse.Namespace) -> int:
    from medseg.stages.weights import pull
    from medseg.storage import session

    with session(StoreConfig(uri=options.store)) as store_uri:
        for entry in pull(options.names, options.weights, store_uri):
            print(f"Weights: {artifacts.weights_uri(store_uri, entry.name)} ({entry.license})")
    return 0


def _mirrored(options: argparse.Namespace) -> int:
    from medseg.stages.weights import describe, mirrored
    from medseg.storage import session

    with session(StoreConfig(uri=options.store)) as store_uri:
        print(describe(mirrored(store_uri)))
    return 0


def _sample(options: argparse.Namespace) -> int:
    from medseg.data.sample import write_sample

    write_sample(options.folder, patients=options.patients, seed=options.seed)
    print(f"Sample cohort: {options.folder}")
    return 0


def _units(recipe: Recipe) -> list[tuple[str, int, int]]:
    names = [entry.model for entry in recipe.models]
    return list(product(names, recipe.train.seeds, range(recipe.split.folds)))


def _fail_if(failures: list[str]) -> int:
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medseg", description="Benchmark of medical image segmentation models, one stage at a time."
    )
    parser.add_argument("--version", action="version", version=f"medseg {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (help_text, _) in VERBS.items():
        command = commands.add_parser(name, help=help_text, description=f"{name}: {help_text}.", epilog=_EPILOG)
        command.set_defaults(command=_stage, verb=name)
        command.add_argument("recipe", nargs="?", type=Path, metavar="RECIPE", help="YAML file; may be left out")
        command.add_argument(
            "--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="override one value; may be repeated"
        )
        if name in PARTED:
            _add_part_options(command, name)
    add_run_commands(commands)
    _add_data_commands(commands)
    add_models_command(commands)
    add_metrics_command(commands)
    _add_weights_commands(commands)
    add_tensorboard_command(commands)
    sample = commands.add_parser(
        "sample",
        help="write a small synthetic CT cohort with DICOM SEG references",
        description="Write a small synthetic CT cohort: one DICOM series and one DICOM SEG reference per patient.",
    )
    sample.set_defaults(command=_sample)
    sample.add_argument("folder", nargs="?", type=Path, default=Path(".medseg/sample"), help="default: %(default)s")
    sample.add_argument("--patients", type=int, default=16, help="default: %(default)s")
    sample.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    return parser


def _add_part_options(command: argparse.ArgumentParser, name: str) -> None:
    command.add_argument("--workers", type=whole_number, metavar="N", help="processes; default: one per core")
    part = command.add_mutually_exclusive_group()
    part.add_argument("--shard", default="", metavar="I/N", help=f"{name} only part I of N, for several machines")
    part.add_argument("--merge", action="store_true", help="put the parts that all shards left in the store together")


def _add_data_commands(commands: Any) -> None:
    layouts = commands.add_parser("layouts", help="how scans may lie in folders", description="List known layouts.")
    layouts.set_defaults(command=_layouts)
    download = commands.add_parser(
        "download",
        help="fetch a public data set",
        description="Fetch a public data set from its official address; goes on where it was stopped."
        " Without NAME the known sets are listed.",
    )
    download.set_defaults(command=_download)
    download.add_argument("name", nargs="?", metavar="NAME")
    folder = Path(".medseg/downloads")
    download.add_argument("folder", nargs="?", type=Path, default=folder, help="default: %(default)s")
    inspect = commands.add_parser(
        "inspect",
        help="what is in an ingested data set, as an HTML report",
        description="Write a self-contained HTML report about an ingested data set.",
    )
    inspect.set_defaults(command=_inspect)
    inspect.add_argument(
        "dataset", nargs="?", metavar="DATASET", help="URI of a data set as ingest prints it, or a recipe's YAML file"
    )
    inspect.add_argument("--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="override one value")


def _add_weights_commands(commands: Any) -> None:
    weights = commands.add_parser(
        "weights",
        help="mirror published weights into a store",
        description="Published weights in a store, from where trainings take them: pods need no internet.",
    )
    actions = weights.add_subparsers(required=True, metavar="ACTION")
    pull_help = "fetch the weights of models into the store; goes on where it was stopped"
    pull = actions.add_parser("pull", help=pull_help, description=f"pull: {pull_help}.")
    pull.set_defaults(command=_pull)
    pull.add_argument("names", nargs="+", metavar="NAME", help="a model, as `medseg models` lists it")
    which = "imagenet, or a Hugging Face repository owner/name; default: %(default)s"
    pull.add_argument("--weights", default=PUBLISHED, metavar="WEIGHTS", help=which)
    listed = actions.add_parser("list", help="what the store holds", description="list: what the store holds.")
    listed.set_defaults(command=_mirrored)
    for action in (pull, listed):
        store_help = "s3://bucket/prefix or a folder; default: the server on this machine over .medseg/s3"
        action.add_argument("--store", default=EMBEDDED, metavar="URI", help=store_help)


_EPILOG = (
    "Without a recipe the defaults and --set dataset.source=DIR --set dataset.name=NAME --set store=URI are enough."
    " The store is s3://bucket/prefix, a folder, or by default an S3 server on this machine over .medseg/s3."
)


if __name__ == "__main__":
    sys.exit(main())
