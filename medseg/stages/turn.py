"""How many models of a run are at work at a time, where the recipe limits it: each later one waits for its turn."""

from __future__ import annotations

import logging
import time

from medseg.config import Recipe
from medseg.errors import StageError, StorageError
from medseg.stages.life import is_at_work, read_sign, write_sign
from medseg.stages.record import load_run
from medseg.storage import Store, open_store

log = logging.getLogger(__name__)

LOOK_S = 10.0


def wait_for_turn(run_uri: str, model: str, look_s: float = LOOK_S) -> None:
    """Return once fewer than ``resources.max_parallel`` of the models listed before ``model`` are at work.

    Models have their turns in the recipe's order, each after the one before, so those before have all begun: one that
    has given no sign of life yet is counted from now on.

    Raises:
        StageError: the run does not exist, or its recipe does not list the model or sets no limit.
    """
    recipe, run = load_run(run_uri), open_store(run_uri)
    names, limit = [entry.model for entry in recipe.models], recipe.resources.max_parallel
    if model not in names or limit is None:
        raise StageError(
            f"{run_uri}: no turn for {model!r}: resources.max_parallel = {limit}, models: {', '.join(names)}"
        )
    before = names[: names.index(model)]
    told = ""
    while reason := _reason_to_wait(run, recipe, before, limit):
        if reason != told:
            log.info("turn: %s waits: %s", model, reason)
            told = reason
        time.sleep(look_s)
    write_sign(run, model, "expected")
    log.info("turn: %s begins", model)


def _reason_to_wait(run: Store, recipe: Recipe, before: list[str], limit: int) -> str | None:
    """A store that does not answer for a while is one too."""
    try:
        for model in before:
            if read_sign(run, model) is None:
                write_sign(run, model, "expected")
        busy = [model for model in before if is_at_work(run, recipe, model)]
    except StorageError as error:
        return str(error)
    return f"{len(busy)} of at most {limit} at work: {', '.join(busy)}" if len(busy) >= limit else None
