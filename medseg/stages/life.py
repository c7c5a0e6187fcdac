"""Signs of life: which models of a run are at work now, told by the store alone, since a killed pod tells nobody."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

from medseg import artifacts
from medseg.artifacts import Sign
from medseg.config import Recipe
from medseg.errors import NotFoundError, StorageError
from medseg.stages.record import now, read_status
from medseg.storage import Store, open_store

log = logging.getLogger(__name__)

BEAT_S = 60.0
SILENCE = timedelta(minutes=15)  # after it, a pod is gone or waits for a node, and holds no GPU


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
        _tell(run, model, working=False)


def _beat(run: Store, model: str, ended: threading.Event) -> None:
    while not ended.is_set():
        _tell(run, model, working=True)
        ended.wait(BEAT_S)


def _tell(run: Store, model: str, working: bool) -> None:
    """A store that does not answer for a while must not end a training."""
    try:
        write_sign(run, model, working)
    except StorageError as error:
        log.warning("%s: its sign of life was not written: %s", model, error)


def write_sign(run: Store, model: str, working: bool) -> None:
    """``working`` stays until another sign, or ``SILENCE``, says otherwise."""
    run.put_bytes(artifacts.sign_key(model), Sign(at=now(), working=working).to_bytes())


def read_sign(run: Store, model: str) -> Sign | None:
    """The last one of a model; None where there was none yet."""
    try:
        data = run.get_bytes(artifacts.sign_key(model))
    except NotFoundError:
        return None
    return Sign.from_bytes(data, f"{run.uri}/{artifacts.sign_key(model)}")


def is_at_work(run: Store, recipe: Recipe, model: str) -> bool:
    """Whether a model that has begun still holds, or is about to hold, a pod: it ends with its last training, or with
    ``SILENCE``."""
    sign = read_sign(run, model)
    if sign is None or datetime.now(UTC) - datetime.fromisoformat(sign.at) > SILENCE:
        return False
    return sign.working or not _all_ended(run, recipe, model)


def _all_ended(run: Store, recipe: Recipe, model: str) -> bool:
    for seed, fold in product(recipe.train.seeds, range(recipe.split.folds)):
        status = read_status(open_store(artifacts.join(run.uri, artifacts.unit_key(model, seed, fold))))
        if status is None or status.state == "running":
            return False
    return True
