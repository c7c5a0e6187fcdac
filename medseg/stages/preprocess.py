"""Cases become training arrays: splits, a plan from the training part alone, and one Blosc2 array per case."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from medseg import artifacts
from medseg.artifacts import CASES_FILE, DATASET_FILE, PLAN_FILE, SPLITS_FILE, Dataset, Plan, Splits
from medseg.config import Recipe, digest
from medseg.data.arrays import write_arrays
from medseg.data.cases import read_cases
from medseg.data.fingerprint import Fingerprint, make_plan
from medseg.data.normalize import normalize
from medseg.data.resample import resample_image, resample_reference, target_shape
from medseg.data.splits import make_splits
from medseg.errors import NotFoundError, StageError
from medseg.models import registry
from medseg.storage import open_store
from medseg.storage.cache import cached_folder
from medseg.types import Case, Shape3, Spacing3

log = logging.getLogger(__name__)

CODE_VERSION = 1  # raise when the same settings give other arrays


def preprocess(recipe: Recipe, dataset_uri: str) -> str:
    """Preprocess a data set for a recipe and return the URI of the result; a finished one is found by its hash.

    Raises:
        StageError: there is no finished data set at ``dataset_uri``.
        DataError: a part of the split would be empty.
        RecipeError: a setting does not fit the data.
    """
    dataset, cases = load_dataset(dataset_uri)
    _check_recipe(recipe, dataset)
    uri = _uri(recipe, dataset, dataset_uri)
    store = open_store(uri)
    if store.exists(PLAN_FILE):
        log.info("preprocess: %s is done already", uri)
        return uri
    splits = make_splits(cases, recipe.split)
    log.info(
        "preprocess: %d cases; fold 0 trains on %d, validates on %d, tests on %d",
        len(cases), len(splits.folds[0].train), len(splits.folds[0].validation), len(splits.test),
    )  # fmt: skip
    source = cached_folder(dataset_uri, ("images", "labels"))
    plan = _plan(recipe, dataset, dataset_uri, source, _training_part(cases, splits))
    with tempfile.TemporaryDirectory(prefix="medseg-preprocess-") as scratch:
        folder = Path(scratch)
        for case in tqdm(cases, desc="preprocess", unit="case", disable=None):
            image, reference = _read(source, case, plan.channels)
            write_arrays(folder, case.case, *preprocess_case(image, reference, case.spacing_mm, plan))
        (folder / SPLITS_FILE).write_bytes(splits.to_bytes())
        (folder / PLAN_FILE).write_bytes(plan.to_bytes())
        (folder / CASES_FILE).write_bytes(open_store(dataset_uri).get_bytes(CASES_FILE))
        store.put_folder(folder, marker=PLAN_FILE)
    log.info("preprocess: wrote %s", uri)
    return uri


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


def preprocess_case(
    image: NDArray, reference: NDArray[np.uint8], spacing_mm: Spacing3, plan: Plan
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Normalise and resample one case: (C, I, J, K) and (I, J, K) to the plan's grid."""
    i, j, k = reference.shape
    shape = planned_shape((i, j, k), spacing_mm, plan)
    resampled = resample_image(normalize(image, plan.normalization), shape, spacing_mm)
    return resampled, resample_reference(reference, shape, len(plan.labels))


def planned_shape(shape: Shape3, spacing_mm: Spacing3, plan: Plan) -> Shape3:
    if plan.size:
        return (*plan.size, shape[2])
    assert plan.spacing_mm is not None, "a plan has a size or a spacing"
    return target_shape(shape, spacing_mm, plan.spacing_mm)


def _plan(recipe: Recipe, dataset: Dataset, dataset_uri: str, source: Path, training: list[Case]) -> Plan:
    channels = len(dataset.channel_names)
    fingerprint = Fingerprint()
    for case in tqdm(training, desc="fingerprint", unit="case", disable=None):
        fingerprint.add(*_read(source, case, channels), case.spacing_mm)
    return make_plan(fingerprint, dataset, dataset_uri, recipe.preprocess, channels)


def _training_part(cases: Iterable[Case], splits: Splits) -> list[Case]:
    """Cases that some fold trains on; with one fold neither validation nor test cases shape the plan."""
    names = {name for fold in splits.folds for name in fold.train}
    return [case for case in cases if case.case in names]


def _read(source: Path, case: Case, channels: int) -> tuple[NDArray, NDArray[np.uint8]]:
    paths = [source / artifacts.image_key(case.case, channel) for channel in range(channels)]
    image = np.stack([np.asanyarray(nib.load(path).dataobj) for path in paths])  # type: ignore[attr-defined]
    reference = np.asanyarray(nib.load(source / artifacts.reference_key(case.case)).dataobj)  # type: ignore[attr-defined]
    return image, reference.astype(np.uint8)


def _check_recipe(recipe: Recipe, dataset: Dataset) -> None:
    """What the recipe asks of the data must fit before hours of work go into it."""
    registry.check_dimensions([entry.model for entry in recipe.models], dataset.dimensions, dataset.name)
    for entry in recipe.models:
        registry.unit_config(recipe, entry.model).evaluate.tolerances(dataset.foreground)


def _uri(recipe: Recipe, dataset: Dataset, dataset_uri: str) -> str:
    """The folder's name is the hash of everything that shapes its content."""
    sections = {"preprocess": recipe.preprocess.model_dump(mode="json"), "split": recipe.split.model_dump(mode="json")}
    plan_hash = digest({**sections, "dataset": dataset.version, "code": CODE_VERSION})
    store_uri = dataset_uri.rstrip("/").rsplit("/datasets/", 1)[0]
    return artifacts.preprocessed_uri(store_uri, dataset.version, plan_hash)
