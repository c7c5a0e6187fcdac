"""Cases become training arrays: splits, a plan from the training part alone, and Blosc2 arrays of every case."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from medseg import artifacts
from medseg.artifacts import CASES_FILE, DATASET_FILE, PLAN_FILE, SPLITS_FILE, Dataset, Plan, Splits
from medseg.config import Recipe, digest
from medseg.data.cases import read_cases, write_cases
from medseg.data.fingerprint import Fingerprint, unseen
from medseg.data.planning import make_plan, needs_voxels
from medseg.data.splits import make_splits
from medseg.errors import NotFoundError, StageError
from medseg.models import registry
from medseg.pool import core_count
from medseg.stages.parts import Part
from medseg.stages.prepare_cases import Desk, look_at_cases, make_arrays, remove_prints
from medseg.storage import Store, open_store
from medseg.types import Case

log = logging.getLogger(__name__)

CODE_VERSION = 3  # raise when the same settings give other arrays
PENDING_FILE = "plan.pending.json"  # the plan while arrays are being made

_USES = {
    "classification": "every image has one class and no voxel has one. It is good for training classifiers with other"
    " tools, and for `medseg inspect`",
    "prediction": "it has no references. It is good for predictions by models that were trained on another data set,"
    " and for `medseg inspect`",
}


def preprocess(recipe: Recipe, dataset_uri: str) -> str:
    """Preprocess a data set for a recipe and return the URI of the result; a finished one is found by its hash.

    What an interrupted run has finished is not made again.

    Raises:
        StageError: there is no finished data set at ``dataset_uri``, or it is not one for segmentation.
        DataError: a part of the split would be empty.
        RecipeError: a setting does not fit the data.
    """
    preprocess_part(recipe, dataset_uri, Part())
    return merge_preprocessed(recipe, dataset_uri)


def preprocess_part(recipe: Recipe, dataset_uri: str, part: Part) -> str:
    """Make the arrays of the cases that a part owns; several parts may run at the same time.

    Raises:
        As ``preprocess``.
    """
    job = _open(recipe, dataset_uri)
    if job.store.exists(PLAN_FILE):
        log.info("preprocess: %s is done already", job.uri)
        return job.uri
    splits = make_splits(job.cases, recipe.split)
    log.info(
        "preprocess: %d cases; fold 0 trains on %d, validates on %d, tests on %d",
        len(job.cases), len(splits.folds[0].train), len(splits.folds[0].validation), len(splits.test),
    )  # fmt: skip
    plan = _pending_plan(job, _training_part(job.cases, splits), part)
    for entry in recipe.models:
        registry.check_patches(registry.unit_config(recipe, entry.model), plan)
    done = job.done()
    owned = [case for case in job.cases if part.owns(case.case)]
    todo = [case for case in owned if case.case not in done]
    start = time.monotonic()
    make_arrays(job.desk, plan, todo, job.workers)
    seconds = time.monotonic() - start
    log.info(
        "preprocess: %d cases in %.1f s (%.2f per second), %d were done already",
        len(todo), seconds, len(todo) / max(seconds, 1e-3), len(owned) - len(todo),
    )  # fmt: skip
    return job.uri


def merge_preprocessed(recipe: Recipe, dataset_uri: str) -> str:
    """Finish what all parts have made, ``plan.json`` last, and return its URI.

    Raises:
        StageError: arrays are missing; names the next step.
    """
    job = _open(recipe, dataset_uri)
    if job.store.exists(PLAN_FILE):
        return job.uri
    done = job.done()
    missing = [case.case for case in job.cases if case.case not in done]
    if missing or not job.store.exists(PENDING_FILE):
        raise StageError(
            f"{job.uri}: arrays of {len(missing)} of {len(job.cases)} cases are not made yet, {missing[:1]} among them;"
            " run `medseg preprocess --shard i/n` for every i from 1 to n before `--merge`"
        )
    job.store.put_bytes(SPLITS_FILE, make_splits(job.cases, recipe.split).to_bytes())
    job.store.put_bytes(CASES_FILE, write_cases(job.cases))
    job.store.put_bytes(PLAN_FILE, job.store.get_bytes(PENDING_FILE))
    job.store.delete(PENDING_FILE)
    remove_prints(job.store)
    log.info("preprocess: wrote %s", job.uri)
    return job.uri


@dataclass(frozen=True)
class _Job:
    """A data set, and where its arrays go."""

    recipe: Recipe
    dataset: Dataset
    dataset_uri: str
    cases: list[Case]
    uri: str
    store: Store

    @property
    def desk(self) -> Desk:
        return Desk(self.dataset_uri, self.uri, len(self.dataset.channel_names))

    @property
    def workers(self) -> int:
        return self.recipe.workers or core_count()

    def done(self) -> set[str]:
        """Cases whose arrays are all in the store."""
        stored = {item.key for item in self.store.list("arrays/")}
        names = (case.case for case in self.cases)
        return {name for name in names if {artifacts.array_key(name), artifacts.reference_array_key(name)} <= stored}


def _open(recipe: Recipe, dataset_uri: str) -> _Job:
    dataset, cases = load_dataset(dataset_uri)
    if dataset.task != "segmentation":
        raise StageError(
            f"{dataset_uri}: no segmentation model can be trained on a data set for {dataset.task}:"
            f" {_USES[dataset.task]}"
        )
    _check_recipe(recipe, dataset)
    uri = _uri(recipe, dataset, dataset_uri)
    return _Job(recipe, dataset, dataset_uri, cases, uri, open_store(uri))


def _pending_plan(job: _Job, training: list[Case], part: Part) -> Plan:
    """The plan that an interrupted run or another part left, else a new one: all of them make the same."""
    if job.store.exists(PENDING_FILE):
        return Plan.from_bytes(job.store.get_bytes(PENDING_FILE), f"{job.uri}/{PENDING_FILE}")
    config = job.recipe.preprocess
    if needs_voxels(config, job.dataset):
        fingerprint = look_at_cases(job.desk, training, job.workers, part)
    else:
        fingerprint = Fingerprint([unseen(case.shape, case.spacing_mm, job.desk.channels) for case in training])
    plan = make_plan(fingerprint, job.dataset, job.dataset_uri, config)
    job.store.put_bytes(PENDING_FILE, plan.to_bytes())
    return plan


def find_preprocessed(recipe: Recipe, dataset_uri: str) -> str:
    """URI of the finished preprocessing of a data set for a recipe.

    Raises:
        StageError: it is not done yet; names the next step.
    """
    dataset, _ = load_dataset(dataset_uri)
    uri = _uri(recipe, dataset, dataset_uri)
    load_preprocessed(uri)
    return uri


def load_dataset(dataset_uri: str) -> tuple[Dataset, list[Case]]:
    """A finished data set.

    Raises:
        StageError: there is none; names the next step.
    """
    store = open_store(dataset_uri)
    try:
        dataset = Dataset.from_bytes(store.get_bytes(DATASET_FILE), f"{dataset_uri}/{DATASET_FILE}")
        return dataset, read_cases(store.get_bytes(CASES_FILE))
    except NotFoundError as error:
        raise StageError(f"{dataset_uri}: no finished data set here ({error}); run `medseg ingest` first") from None


def load_preprocessed(uri: str) -> tuple[Plan, Splits]:
    """A finished preprocessing.

    Raises:
        StageError: there is none; names the next step.
    """
    store = open_store(uri)
    try:
        plan = Plan.from_bytes(store.get_bytes(PLAN_FILE), f"{uri}/{PLAN_FILE}")
        return plan, Splits.from_bytes(store.get_bytes(SPLITS_FILE), f"{uri}/{SPLITS_FILE}")
    except NotFoundError as error:
        raise StageError(f"{uri}: no finished preprocessing here ({error}); run `medseg preprocess` first") from None


def _training_part(cases: Iterable[Case], splits: Splits) -> list[Case]:
    """Cases that some fold trains on; with one fold neither validation nor test cases shape the plan."""
    names = {name for fold in splits.folds for name in fold.train}
    return [case for case in cases if case.case in names]


def _check_recipe(recipe: Recipe, dataset: Dataset) -> None:
    """What the recipe asks of the data must fit before hours of work go into it."""
    registry.check_dimensions([entry.model for entry in recipe.models], dataset.dimensions, dataset.name)
    for entry in recipe.models:
        evaluate = registry.unit_config(recipe, entry.model).evaluate
        evaluate.tolerances(dataset.foreground)
        evaluate.lesion_iou(dataset.foreground)


def _uri(recipe: Recipe, dataset: Dataset, dataset_uri: str) -> str:
    """The folder's name is the hash of everything that shapes its content."""
    sections = {"preprocess": recipe.preprocess.model_dump(mode="json"), "split": recipe.split.model_dump(mode="json")}
    plan_hash = digest({**sections, "dataset": dataset.version, "code": CODE_VERSION})
    store_uri = dataset_uri.rstrip("/").rsplit("/datasets/", 1)[0]
    return artifacts.preprocessed_uri(store_uri, dataset.version, plan_hash)
