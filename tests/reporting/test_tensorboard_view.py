"""TensorBoard's folder follows a store: what is there, what grows, what is written anew and what goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from medseg import artifacts
from medseg.config import StoreConfig
from medseg.reporting.tensorboard_view import TensorBoardView, view_command
from medseg.storage import Store, open_store, session
from medseg.storage.embedded import FOLDER_VARIABLE

UNIT = "unet/seed-0/fold-0"
CURVES = f"{UNIT}/tensorboard/events.out.tfevents.1"
RESULTS = f"report/tensorboard/{UNIT}/events.out.tfevents.report"


@pytest.fixture(scope="module", params=["folder", "S3"])
def store_uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("store")
    config = StoreConfig(embedded_folder=folder) if request.param == "S3" else StoreConfig(uri=str(folder))
    with session(config) as uri:
        yield uri


@pytest.fixture
def store(store_uri: str, request: pytest.FixtureRequest) -> Store:
    """A store of the test's own, with one run."""
    store = open_store(artifacts.join(store_uri, request.node.originalname))
    store.put_bytes(f"runs/demo-1/{CURVES}", b"one")
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "view").mkdir()
    return tmp_path / "view"


def content(folder: Path) -> dict[str, bytes]:
    """Folder of a training to all that its files hold."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found: dict[str, bytes] = {}
    for path in files:
        name = path.parent.relative_to(folder).as_posix()
        found[name] = found.get(name, b"") + path.read_bytes()
    return found


def test_a_training_and_what_the_report_says_of_it_share_a_folder(store: Store, folder: Path) -> None:
    store.put_bytes(f"runs/demo-1/{RESULTS}", b" scores")
    store.put_bytes("runs/demo-1/report/tensorboard/events.out.tfevents.report", b"boxes")
    store.put_bytes(f"runs/demo-1/{UNIT}/predictions/case_1.nii.gz", b"not for TensorBoard")
    assert TensorBoardView(store.uri, [], folder).renew() == 1
    assert content(folder) == {f"demo-1/{UNIT}": b"one scores", "demo-1/report": b"boxes"}


def test_a_file_that_grows_is_continued_where_tensorboard_has_stopped(store: Store, folder: Path) -> None:
    view = TensorBoardView(store.uri, [], folder)
    view.renew()
    with (folder / "demo-1" / UNIT / "events.out.tfevents.1").open("rb") as reader:
        assert reader.read() == b"one"
        store.put_bytes(f"runs/demo-1/{CURVES}", b"one and more")
        view.renew()
        assert reader.read() == b" and more"


def test_a_report_made_anew_takes_the_place_of_the_old_one(store: Store, folder: Path) -> None:
    view = TensorBoardView(store.uri, [], folder)
    names = set()
    for scores in (b" old", b" newer"):
        store.put_bytes(f"runs/demo-1/{RESULTS}", scores)
        view.renew()
        assert content(folder) == {f"demo-1/{UNIT}": b"one" + scores}
        names |= {path.name for path in folder.rglob("*report*")}
    assert len(names) == 2  # TensorBoard looks into no file again


def test_what_has_gone_from_the_store_goes(store: Store, folder: Path) -> None:
    view = TensorBoardView(store.uri, [], folder)
    view.renew()
    store.delete(f"runs/demo-1/{CURVES}")
    assert view.renew() == 0
    assert content(folder) == {}


def test_one_run_is_shown_without_its_name(store: Store, folder: Path) -> None:
    store.put_bytes(f"runs/demo-10/{CURVES}", b"ten")
    view = TensorBoardView(store.uri, ["demo-1"], folder)
    view.renew()
    assert content(view.log_folder) == {UNIT: b"one"}


def test_some_runs_are_shown_and_no_others(store: Store, folder: Path) -> None:
    for run in ("demo-2", "demo-3"):
        store.put_bytes(f"runs/{run}/{CURVES}", b"more")
    view = TensorBoardView(store.uri, ["demo-1", "demo-3"], folder)
    assert view.renew() == 2
    assert set(content(view.log_folder)) == {f"demo-1/{UNIT}", f"demo-3/{UNIT}"}


def test_a_run_that_begins_later_is_found(store: Store, folder: Path) -> None:
    view = TensorBoardView(store.uri, [], folder)
    view.renew()
    store.put_bytes(f"runs/demo-2/{CURVES}", b"two")
    assert view.renew() == 2


def test_the_command_names_the_store_unless_it_is_the_one_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert view_command("s3://scans/team/runs/demo-1") == "medseg tensorboard demo-1 --store s3://scans/team"
    assert view_command("/my data/runs/demo-1") == "medseg tensorboard demo-1 --store '/my data'"
    monkeypatch.setenv(FOLDER_VARIABLE, "/somewhere")
    assert view_command("s3://medseg/runs/demo-1") == "medseg tensorboard demo-1"
