"""Each stage alone, as a user types it, from scans to a report in a local folder."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from medseg.cli import main
from tests.benchmark_scene import PATIENTS, recipe_text, write_balls

VERBS = ("ingest", "preprocess", "train", "evaluate", "report")


class Workplace:
    """A recipe, its scans and a store in one folder."""

    def __init__(self, folder: Path) -> None:
        self.source = write_balls(folder / "scans")
        self.recipe = folder / "balls.yaml"
        self.recipe.write_text(recipe_text(self.source))
        self.store = folder / "store"
        self.run = self.store / "runs" / "balls"

    def __call__(self, verb: str, *settings: str) -> int:
        words = [verb, str(self.recipe), "--set", f"store={self.store}"]
        return main([*words, *(word for setting in settings for word in ("--set", setting))])


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    monkeypatch.chdir(tmp_path)
    return Workplace(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """All five stages have run."""
    workplace = Workplace(tmp_path_factory.mktemp("finished"))
    for verb in VERBS:
        assert workplace(verb) == 0, verb
    return workplace


def test_the_five_stages_end_with_a_leaderboard_of_all_models(finished: Workplace) -> None:
    rows = list(csv.DictReader(io.StringIO((finished.run / "report" / "leaderboard.csv").read_text())))
    assert [row["rank"] for row in rows] == ["1", "2"]
    assert {row["model"] for row in rows} == {"segformer", "unet3d"}
    assert all(row["status"] == "succeeded" and 0 <= float(row["dice"]) <= 1 for row in rows)
    assert float(rows[0]["dice"]) > 0.5
    assert "<html" in (finished.run / "report" / "index.html").read_text()


def test_a_run_leaves_the_files_that_the_design_names(finished: Workplace) -> None:
    unit = finished.run / "unet3d" / "seed-0" / "fold-0"
    files = ("status.json", "checkpoint_last.pt", "checkpoint_best.pt", "model.pt", "history.csv", "metrics.csv")
    for name in (*files, "summary.json", "config.yaml"):
        assert (unit / name).stat().st_size, name
    assert list((unit / "tensorboard").iterdir())
    assert (finished.run / "config.yaml").exists()
    assert json.loads((finished.run / "environment.json").read_text())["packages"]["torch"]
    assert json.loads((unit / "status.json").read_text())["state"] == "succeeded"


def test_a_training_has_a_curve_per_class_and_a_picture_in_tensorboard(finished: Workplace) -> None:
    for model in ("segformer", "unet3d"):
        shown = EventAccumulator(str(finished.run / model / "seed-0" / "fold-0" / "tensorboard")).Reload()
        mean, ball = (shown.Scalars(tag) for tag in ("validation_dice", "validation_dice/ball"))
        assert len(mean) == 3
        assert [(e.step, e.value) for e in ball] == [(e.step, e.value) for e in mean]  # there is no other class
        assert shown.Images("validation/prediction")


def test_all_models_are_scored_on_the_same_cases_on_the_native_grid(finished: Workplace) -> None:
    scored = {}
    for model in ("segformer", "unet3d"):
        unit = finished.run / model / "seed-0" / "fold-0"
        rows = list(csv.DictReader(io.StringIO((unit / "metrics.csv").read_text())))
        scored[model] = {row["case"] for row in rows}
        for case in scored[model]:
            prediction = nibabel.load(unit / "predictions" / f"{case}.nii.gz")
            image = nibabel.load(finished.source / "images" / f"{case}.nii.gz")
            assert prediction.shape == image.shape
            np.testing.assert_allclose(prediction.affine, image.affine)
    assert scored["segformer"] == scored["unet3d"]
    assert len(scored["unet3d"]) == round(0.2 * PATIENTS)


def test_a_second_call_redoes_nothing(finished: Workplace) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.store.rglob("*.pt")}
    assert before
    for verb in VERBS:
        assert finished(verb) == 0
    assert {path: path.stat().st_mtime_ns for path in finished.store.rglob("*.pt")} == before


def test_other_settings_train_that_model_anew(finished: Workplace) -> None:
    model = finished.run / "unet3d" / "seed-0" / "fold-0" / "model.pt"
    other = finished.run / "segformer" / "seed-0" / "fold-0" / "model.pt"
    before = model.stat().st_mtime_ns, other.stat().st_mtime_ns
    assert finished("train", "models.1.set={train.epochs: 1, network.channels: [8, 16]}") == 0
    assert model.stat().st_mtime_ns != before[0]
    assert other.stat().st_mtime_ns == before[1]
    assert finished("train") == 0  # back to what the other tests expect
    assert finished("evaluate") == 0


def test_a_further_seed_leaves_the_first_as_it_is(finished: Workplace) -> None:
    model = finished.run / "unet3d" / "seed-0" / "fold-0" / "model.pt"
    before = model.stat().st_mtime_ns
    assert finished("train", "train.seeds=[0, 7]", "train.checkpoint_minutes=1") == 0
    assert (finished.run / "unet3d" / "seed-7" / "fold-0" / "model.pt").exists()
    assert model.stat().st_mtime_ns == before


def test_without_a_recipe_defaults_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write_balls(tmp_path / "scans")
    settings = [f"dataset.source={source}", "dataset.name=balls", f"store={tmp_path / 'store'}"]
    common = [word for setting in settings for word in ("--set", setting)]
    assert main(["ingest", *common]) == 0
    assert f"{PATIENTS} cases from {2 * PATIENTS} of {2 * PATIENTS} files" in capsys.readouterr().out
    assert main(["preprocess", *common]) == 0


def test_a_model_that_diverges_is_a_failed_row_and_the_others_go_on(
    workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    diverging = "models=[{model: unet3d, set: {train.learning_rate: 1.0e+38, network.channels: [4, 8]}}, segformer]"
    settings = (
        diverging,
        "train.epochs=1",
        "train.steps_per_epoch=6",
        "train.optimizer=sgd",
        "train.learning_rate=1e-3",
    )
    workplace("ingest")
    workplace("preprocess")
    assert workplace("train", *settings) == 1
    assert workplace("evaluate", *settings) == 1
    assert "unet3d seed 0 fold 0 has no model" in capsys.readouterr().err
    assert workplace("report") == 0
    rows = list(csv.DictReader(io.StringIO((workplace.run / "report" / "leaderboard.csv").read_text())))
    assert [(row["model"], row["status"], row["rank"]) for row in rows] == [
        ("segformer", "succeeded", "1"),
        ("unet3d", "failed", ""),
    ]
    assert "the loss became" in (workplace.run / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("verb", "settings", "says"),
    [
        ("ingest", ["dataset.source=nowhere"], "nowhere"),
        ("ingest", ["dataset.layout=nnunets"], "dataset.layout = 'nnunets': unknown layout; choose auto, nnunet"),
        ("ingest", ["dataset.layout={name: odd}"], "dataset.layout: images: is missing"),
        ("preprocess", [], "run `medseg ingest` first"),
        ("evaluate", ["run_id=never"], "never: no such run; runs in this store: none"),
        ("report", ["run_id=null"], "no run of 'balls' yet"),
        ("train", ["models=[unet4d]"], "no model is called 'unet4d'. Nearest: unet3d"),
        ("train", ["store=ftp://there"], "unknown kind of store 'ftp'"),
    ],
)
def test_what_cannot_work_is_said_and_ends_with_1(
    workplace: Workplace, verb: str, settings: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workplace(verb, *settings) == 1
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_parts_by_hand_give_what_one_call_gives(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(workplace.recipe), "--workers", "1", "--set", f"store={workplace.store}"]
    for verb, said in (("ingest", "Data set: "), ("preprocess", "Training arrays: ")):
        assert main([verb, *words, "--merge"]) == 1
        assert "--shard" in capsys.readouterr().err
        for part in ("2/2", "1/2"):
            assert main([verb, *words, "--shard", part]) == 0
        capsys.readouterr()
        assert main([verb, *words, "--merge"]) == 0
        merged = capsys.readouterr().out.split(said)[1]
        assert main([verb, *words]) == 0
        assert capsys.readouterr().out.split(said)[1] == merged


def test_a_data_set_is_inspected_by_its_recipe_or_its_place(
    workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace("ingest")
    uri = capsys.readouterr().out.split("Data set: ")[1].strip()
    assert main(["inspect", str(workplace.recipe), "--set", f"store={workplace.store}"]) == 0
    assert capsys.readouterr().out == f"Report: {uri}/inspect.html\n"
    assert main(["inspect", uri, "--set", f"store={workplace.store}"]) == 0
    assert "<html" in Path(uri, "inspect.html").read_text()


def test_layouts_and_public_sets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layouts"]) == 0
    assert "nnunet" in capsys.readouterr().out
    assert main(["download"]) == 0
    assert "montgomery" in capsys.readouterr().out
    assert main(["download", "montgomry"]) == 1
    assert "montgomery" in capsys.readouterr().err


def test_an_nsd_tolerance_for_no_class_stops_before_training(
    workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace("ingest")
    assert workplace("preprocess", "evaluate.tolerance_mm={bal: 2.0}") == 1
    assert "evaluate.tolerance_mm.bal = 2.0: no such class; choices: ball" in capsys.readouterr().err


def test_models_and_help_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert "unet3d" in capsys.readouterr().out
    for verb in VERBS:
        with pytest.raises(SystemExit) as end:
            main([verb, "--help"])
        assert end.value.code == 0
