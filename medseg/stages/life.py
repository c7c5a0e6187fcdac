"""Signs of life: which models of a run are at work now, told by the store alone, since a killed pod tells nobody."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

from medseg import artifacts
from medseg.artifacts import Sign, SignState
from medseg.config import Recipe
from medseg.errors import NotFoundError, StorageError
from medseg.stages.record import now, read_status
from medseg.storage import Store, open_store

log = logging.getLogger(__name__)

BEAT_S = 60.0
SILENCE = timedelta(minutes=15)  # of a pod at work, after which it is gone
PATIENCE = timedelta(hours=2)  # with a model whose next pod waits for a node: a failed one would never come


@contextlib.contextmanager
def alive(run_uri: str, model: str) -> Iterator[None]:
    """Tell the run every minute that ``model`` is at work, for as long as the context lasts."""
    run = open_store(run_uri)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(run, model, ended), daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()
        _tell(run, model, "paused")


def _beat(run: Store, model: str, ended: threading.Event) -> None:
    while not ended.is_set():
        _tell(run, model, "working")
        ended.wait(BEAT_S)


def _tell(run: Store, model: str, state: SignState) -> None:
    """A store that does not answer for a while must not end a training."""
    try:
        write_sign(run, model, state)
    except StorageError as error:
        log.warning("%s: its sign of life was not written: %s", model, error)


def write_sign(run: Store, model: str, state: SignState) -> None:
    run.put_bytes(artifacts.sign_key(model), Sign(at=now(), state=state).to_bytes())


def read_sign(run: Store, model: str) -> Sign | None:
    """The last one of a model; None where there was none yet in this start of the run."""
    try:
        data = run.get_bytes(artifacts.sign_key(model))
    except NotFoundError:
        return None
    return Sign.from_bytes(data, f"{run.uri}/{artifacts.sign_key(model)}")


def is_at_work(run: Store, recipe: Recipe, model: str) -> bool:
    """Whether a model whose turn has come has a pod or will have one: until all is trained, or too long unheard of."""
    sign = read_sign(run, model)
    if sign is None:
        return False
    since = datetime.now(UTC) - datetime.fromisoformat(sign.at)
    if sign.state == "working":
        return since <= SILENCE
    return since <= PATIENCE and not (sign.state == "paused" and _all_ended(run, recipe, model))


def _all_ended(run: Store, recipe: Recipe, model: str) -> bool:
    for seed, fold in product(recipe.train.seeds, range(recipe.split.folds)):
        status = read_status(open_store(artifacts.join(run.uri, artifacts.unit_key(model, seed, fold))))
        if status is None or status.state == "running":
            return False
    return True
