"""TensorBoard reads back what a report says of every training."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS

from medseg import artifacts
from medseg.reporting.gallery import gallery
from medseg.reporting.run_reader import read_run
from medseg.reporting.tensorboard import write_tensorboard
from tests.reporting.runs import ScratchRun

CONFUSION = [[90, 10, 0], [1, 9, 0], [0, 0, 0]]


def write(run: ScratchRun, folder: Path) -> Path:
    results = read_run(run.uri)
    write_tensorboard(results, gallery(results, results.models), folder)
    return folder


def shown(folder: Path, key: str = "") -> EventAccumulator:
    return EventAccumulator(str(folder / key)).Reload()


def hparams(events: EventAccumulator, tag: str, parse: Callable[[bytes], Any]) -> Any:
    return parse(events.SummaryMetadata(tag).plugin_data.content)


def settings(events: EventAccumulator) -> dict[str, Any]:
    start = hparams(events, metadata.SESSION_START_INFO_TAG, metadata.parse_session_start_info_plugin_data)
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}


def status(events: EventAccumulator) -> int:
    end = hparams(events, metadata.SESSION_END_INFO_TAG, metadata.parse_session_end_info_plugin_data)
    return end.status


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ScratchRun:
    """Two models with scores, one of them with two seeds; a third one failed, a fourth one never began."""
    run = ScratchRun(tmp_path_factory.mktemp("store"))
    run.config(["unet", "segformer", "fpn", "dpt"])
    run.succeed("unet", 0, confusion=CONFUSION)
    run.succeed("unet", 1, seed=1)
    run.succeed("segformer", 1)
    run.status("fpn", "failed", reason="out of memory")
    return run


@pytest.fixture(scope="module")
def folder(run: ScratchRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(run, tmp_path_factory.mktemp("tensorboard"))


def test_every_training_that_began_is_a_row_of_settings(folder: Path) -> None:
    files = {str(path.parent.relative_to(folder)) for path in folder.rglob("*tfevents*")}
    units = {
        artifacts.unit_key(model, seed, 0) for model, seed in (("unet", 0), ("unet", 1), ("segformer", 0), ("fpn", 0))
    }
    assert files == units | {"."}
    assert settings(shown(folder, "unet/seed-1/fold-0")) == {
        **{"model": "unet", "seed": 1, "fold": 0, "weights": "none"},
        **{"optimizer": "sgd", "learning_rate": 0.05, "batch_size": 8, "epochs": 50},
    }
    assert settings(shown(folder, "segformer/seed-0/fold-0"))["optimizer"] == "adamw"


def test_scores_stand_in_the_same_row(folder: Path) -> None:
    unet = shown(folder, "unet/seed-0/fold-0")
    scores = {tag: unet.Scalars(tag)[0].value for tag in unet.Tags()["scalars"]}
    assert scores == {
        **{"results/dice": 1.0, "results/hd95_mm": 0.0, "results/nsd": 1.0},
        **{"results/seconds_per_case": 0.5, "results/train_seconds": 60.0, "results/parameters_millions": 1.5},
    }
    assert status(unet) == STATUS_SUCCESS


def test_the_scores_are_those_of_the_cases_whatever_the_summary_says(tmp_path: Path) -> None:
    run = ScratchRun(tmp_path, cases=("case_1",))
    run.succeed("unet")
    key = artifacts.unit_key("unet", 0, 0)
    summary = json.loads(run.store.get_bytes(f"{key}/{artifacts.SUMMARY_FILE}")) | {"scores": {"dice": 9.0}}
    run.put("unet", artifacts.SUMMARY_FILE, json.dumps(summary).encode())
    assert shown(write(run, tmp_path / "out"), key).Scalars("results/dice")[0].value == 1.0


def test_a_failed_training_is_a_row_without_scores(folder: Path) -> None:
    failed = shown(folder, "fpn/seed-0/fold-0")
    assert status(failed) == STATUS_FAILURE
    assert failed.Tags()["scalars"] == []
    assert settings(failed)["model"] == "fpn"


def test_the_table_has_a_column_for_every_score_and_knows_which_settings_differ(folder: Path) -> None:
    columns = hparams(shown(folder), metadata.EXPERIMENT_TAG, metadata.parse_experiment_plugin_data)
    assert {"results/dice": "Dice", "results/hd95_mm": "HD95 (mm)"}.items() <= {
        info.name.tag: info.display_name for info in columns.metric_infos
    }.items()
    differs = {info.name: info.differs for info in columns.hparam_infos}
    assert differs["model"]
    assert differs["seed"]
    assert not differs["epochs"]


def test_pictures_of_cases_confusion_and_boxes_can_be_seen(folder: Path) -> None:
    unet, all_models = shown(folder, "unet/seed-0/fold-0"), shown(folder)
    assert unet.Tags()["images"] == [*(f"results_cases/{p}" for p in ("best", "median", "worst")), "results_confusion"]
    boxes = ("dice", "hd95_mm", "nsd", "dice/liver", "dice/tumour")
    assert all_models.Tags()["images"] == [f"results_boxes/{name}" for name in boxes]
    for events in (unet, all_models):
        for tag in events.Tags()["images"]:
            (event,) = events.Images(tag)
            drawn = PIL.Image.open(io.BytesIO(event.encoded_image_string))
            assert drawn.size == (event.width, event.height)
            assert len(drawn.convert("RGB").getcolors(2**24)) > 10  # not an empty square


def test_equal_results_make_equal_files(run: ScratchRun, folder: Path, tmp_path: Path) -> None:
    again = write(run, tmp_path)
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert path.read_bytes() == (again / path.relative_to(folder)).read_bytes()


def test_without_a_recipe_the_table_says_which_training_it_is(tmp_path: Path) -> None:
    run = ScratchRun(tmp_path)
    run.succeed("unet", seed=3)
    assert settings(shown(write(run, tmp_path / "out"), "unet/seed-3/fold-0")) == {
        "model": "unet",
        "seed": 3,
        "fold": 0,
    }


def test_a_run_that_left_nothing_has_an_empty_table(tmp_path: Path) -> None:
    run = ScratchRun(tmp_path)
    folder = write(run, tmp_path / "out")
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["events.out.tfevents.report"]
