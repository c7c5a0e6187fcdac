"""A model past resources.max_parallel begins when one before it has ended, however it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medseg import artifacts
from medseg.artifacts import Sign, SignState, Status
from medseg.config import recipe_from_yaml
from medseg.errors import StageError
from medseg.stages import life
from medseg.stages.record import record_run, write_status
from medseg.stages.turn import wait_for_turn
from medseg.storage import Store, open_store

RECIPE = """
name: turns
dataset: {name: d, source: nowhere}
models: [unet, segformer, unetr]
train: {seeds: [0, 1]}
resources: {max_parallel: 2}
"""


@pytest.fixture
def run(tmp_path: Path) -> Store:
    uri = artifacts.run_uri(str(tmp_path), "turns")
    record_run(recipe_from_yaml(RECIPE, "test"), uri)
    return open_store(uri)


def ended(run: Store, model: str, state: str = "succeeded") -> None:
    for seed in (0, 1):
        unit = open_store(artifacts.join(run.uri, artifacts.unit_key(model, seed, 0)))
        write_status(unit, Status.model_validate({**UNIT, "state": state}))


UNIT = {"stage": "evaluate", "config_hash": "x", "preprocessed_uri": "s3://b/p", "updated": "now"}


def begins(run: Store, model: str = "unetr") -> Callable[[], bool]:
    """Starts to wait for the turn; tells whether it has come."""
    waiting = threading.Thread(target=wait_for_turn, args=(run.uri, model, 0.01), daemon=True)
    waiting.start()

    def has_begun(within_s: float = 0.2) -> bool:
        waiting.join(within_s)
        return not waiting.is_alive()

    return has_begun


def last_sign(run: Store, model: str, age: timedelta, state: SignState = "working") -> None:
    at = (datetime.now(UTC) - age).isoformat()
    run.put_bytes(artifacts.sign_key(model), Sign(at=at, state=state).to_bytes())


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_it_waits_until_one_of_the_models_at_work_has_ended(run: Store, state: str) -> None:
    has_begun = begins(run)
    assert not has_begun()
    ended(run, "segformer", state)
    with life.alive(run.uri, "segformer"):
        assert not has_begun(), "its last training is still at work"
    assert has_begun(5)


def test_between_two_trainings_a_model_keeps_its_place(run: Store) -> None:
    for model in ("unet", "segformer"):
        with life.alive(run.uri, model):
            pass
    assert not begins(run)()


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("state", "age", "waited_for"),
    [
        ("working", life.SILENCE - MINUTE, True),
        ("working", life.SILENCE + MINUTE, False),
        ("expected", life.SILENCE + MINUTE, True),
        ("paused", life.PATIENCE - MINUTE, True),
        ("paused", life.PATIENCE + MINUTE, False),
    ],
)
def test_a_pod_that_is_gone_is_waited_for_less_long_than_one_to_come(
    run: Store, state: SignState, age: timedelta, waited_for: bool
) -> None:
    last_sign(run, "unet", timedelta())
    last_sign(run, "segformer", age, state)
    assert begins(run)() != waited_for


def test_a_run_that_is_started_again_counts_anew(run: Store) -> None:
    for model in ("unet", "segformer"):
        ended(run, model, "failed")
        last_sign(run, model, timedelta(days=1), "paused")
    record_run(recipe_from_yaml(RECIPE, "test"), run.uri)
    assert not begins(run)(), "both are tried again, and their pods are still to come"


def test_a_store_that_does_not_answer_is_waited_for(run: Store) -> None:
    has_begun = begins(run)
    assert not has_begun()
    folder = run.local_path(artifacts.SIGNS_FOLDER) or Path()
    folder.rename(folder.with_name("away"))
    folder.write_text("no folder")
    assert not has_begun()
    folder.unlink()
    folder.with_name("away").rename(folder)
    ended(run, "unet")
    last_sign(run, "unet", timedelta(), "paused")
    assert has_begun(5)


def test_below_the_limit_it_begins_at_once_and_takes_a_place(run: Store) -> None:
    assert begins(run, "segformer")(5)
    sign = life.read_sign(run, "segformer")
    assert sign is not None
    assert sign.state == "expected"


def test_signs_come_from_the_beginning_to_the_end(run: Store) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    with life.alive(run.uri, "unet"):
        time.sleep(0.1)
        inside = life.read_sign(run, "unet")
    after = life.read_sign(run, "unet")
    assert inside is not None
    assert after is not None
    assert (inside.state, after.state) == ("working", "paused")
    assert datetime.fromisoformat(inside.at) >= before


def test_a_model_that_the_recipe_does_not_list_is_named(run: Store) -> None:
    with pytest.raises(StageError, match="no turn for 'vnet'.*models: unet, segformer, unetr"):
        wait_for_turn(run.uri, "vnet")
