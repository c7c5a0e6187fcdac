"""Whether the bucket can be written, read and emptied from this machine."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

from medseg.errors import AccessError, NotFoundError, StorageError, UnreachableError
from medseg.storage import Store, open_store, session
from medseg.storage.s3_client import endpoint_url
from medseg.storage.store import folder_of
from pipelines.benchmark import store_uri
from pipelines.doctor.finding import Finding, UnknownError, failed, ok
from pipelines.doctor.visit import Visit

ONLY_PODS = "only pods can tell; to look from here, forward the store's port and set AWS_ENDPOINT_URL and its keys"


def bucket(visit: Visit) -> Iterator[Finding]:
    if visit.recipe is None:
        raise UnknownError("a recipe says which bucket; give one")
    uri = store_uri(visit.recipe)
    subject = f"store {uri}"
    if folder_of(uri) is not None:
        return  # which the check of the recipe tells
    with session(visit.recipe.store.model_copy(update={"uri": uri})):
        try:
            store = open_store(uri)
        except AccessError as error:
            raise UnknownError(f"this machine has no keys for {uri}; {ONLY_PODS}") from error
        yield _tried(subject, store)


def _tried(subject: str, store: Store) -> Finding:
    try:
        same = _round_trip(store)
    except UnreachableError as error:
        raise UnknownError(f"{error}; {ONLY_PODS}") from error
    except NotFoundError as error:
        return failed(subject, str(error), "or run the bucket job of the manifests")
    except StorageError as error:
        return failed(subject, str(error), "pods need to read, write and delete")
    if not same:
        return failed(subject, f"{endpoint_url()} gave other bytes back than were written", "look at the store itself")
    return ok(subject, f"written, read and deleted from here, at {endpoint_url()}")


def _round_trip(store: Store) -> bool:
    key, content = f"doctor/{uuid4().hex}", b"written by `python -m pipelines doctor`; may be deleted"
    store.put_bytes(key, content)
    try:
        return store.get_bytes(key) == content
    finally:
        store.delete(key)
