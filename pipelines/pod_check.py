"""Whether pods can reach all that a recipe names: what lies on this machine alone is refused before it fails there."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from medseg.config import EMBEDDED, WEIGHTS_FILES, Recipe
from medseg.data.deidentification.pseudonyms import KEY_VARIABLE
from medseg.errors import RecipeError
from medseg.models.registry import unit_config
from medseg.storage.store import folder_of

POD_KEY = f"env:{KEY_VARIABLE}"


def check_for_pods(recipe: Recipe, where: str) -> None:
    """Pass a recipe whose store, scans, key and weights are named, and are not files of this machine.

    Raises:
        RecipeError: names every key that is not so, and what to give instead.
    """
    faults = [*_store_faults(recipe), *_dataset_faults(recipe), *_weights_faults(recipe)]
    if faults:
        raise RecipeError(f"{where}: pods cannot run this\n" + "\n".join(f"  {fault}" for fault in faults))


def _store_faults(recipe: Recipe) -> Iterator[str]:
    store = recipe.store
    if store.uri != EMBEDDED and folder_of(store.uri) is not None:
        yield f"store = {store.uri!r} is a folder: give s3://bucket, e.g. --set store=s3://medseg"
    if _lacks_bucket(store.uri):
        yield f"store = {store.uri!r} names no bucket: give s3://bucket, e.g. --set store=s3://medseg"
    if store.access_key or store.secret_key:
        yield (
            "store.access_key and store.secret_key stay on this machine: put the keys into the secret that"
            f" cluster.store_secret names ({recipe.cluster.store_secret or 'none: web identity'})"
        )


def _dataset_faults(recipe: Recipe) -> Iterator[str]:
    dataset, key = recipe.dataset, recipe.dataset.deidentify.key
    if not dataset.version and (not dataset.source or _lacks_bucket(dataset.source)):
        yield (
            f"dataset.source = {dataset.source!r} names no scans: --set dataset.source=s3://medseg/raw/{dataset.name},"
            " or --set dataset.version=… of a finished data set"
        )
    elif dataset.source and not dataset.version and folder_of(dataset.source) is not None:
        yield (
            f"dataset.source = {dataset.source!r} is a folder: upload it, e.g. rclone copy {dataset.source}"
            f" REMOTE:medseg/raw/{dataset.name} or mc cp, and --set dataset.source=s3://medseg/raw/{dataset.name}"
        )
    if key and not key.startswith("env:"):
        yield (
            f"dataset.deidentify.key = {key!r} is not there: put the key into the secret that cluster.pseudonym_secret"
            f" names ({recipe.cluster.pseudonym_secret or 'none'}) and --set dataset.deidentify.key={POD_KEY}"
        )


def _weights_faults(recipe: Recipe) -> Iterator[str]:
    for weights in sorted({unit_config(recipe, entry.model).weights for entry in recipe.models}):
        if weights.endswith(WEIGHTS_FILES) and folder_of(weights) is not None:
            yield f"weights = {weights!r} is a file: upload it and give s3://bucket/…"


def _lacks_bucket(uri: str) -> bool:
    return uri.startswith("s3:") and not urlsplit(uri).netloc
