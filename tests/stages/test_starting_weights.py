"""Trainings start from mirrored or own weights for real, and stop early where these are not there or do not fit."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save, save_file
from segmentation_models_pytorch.encoders import encoders, get_encoder

from medseg.cli import main
from medseg.config import StoreConfig
from medseg.models import registry
from medseg.storage import open_store, session
from tests.benchmark_scene import write_balls
from tests.serving import Server

ENCODER = "mobilenet_v2"
REPOSITORY = f"smp-hub/{ENCODER}.imagenet"
NETWORK = {"encoder": ENCODER, "decoder_channels": [16, 8, 8, 8, 8]}
MODELS = f"models=[{{model: unet, set: {{network: {json.dumps(NETWORK)}}}}}]"
BUDGET = "epochs: 1, steps_per_epoch: 2, batch_size: 2, threads: 1"
FIRST = "features.0.0.weight"


class Place:
    """A folder with scans and a recipe whose store is a folder in it, or the embedded server's."""

    def __init__(self, folder: Path, store: str) -> None:
        self.store = store
        self._settings = [
            f"dataset.source={write_balls(folder / 'scans')}",
            "dataset.name=balls",
            "dataset.modality=mr",
            "preprocess.patch_2d=[64, 64]",
            f"store={store}",
            "run_id=one",
        ]

    def __call__(self, verb: str, *settings: str, encoder: str = "frozen_epochs: all") -> int:
        training = f"train={{{BUDGET}, encoder: {{{encoder}}}}}"
        words = [word for setting in (*self._settings, MODELS, training, *settings) for word in ("--set", setting)]
        return main([verb, *words])

    def prepare(self) -> None:
        for verb in ("ingest", "preprocess"):
            assert self(verb, encoder="frozen_epochs: 0") == 0

    def unit(self, file: str) -> bytes:
        with session(StoreConfig(uri=self.store)) as uri:
            return open_store(f"{uri}/runs/one/unet/seed-0/fold-0").get_bytes(file)

    def trained(self, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / "trained.pt").write_bytes(self.unit("model.pt"))
        return torch.load(tmp_path / "trained.pt", weights_only=True)


@pytest.fixture(params=["folder", "embedded"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, str(tmp_path / "store") if request.param == "folder" else "embedded")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    prepared = Place(tmp_path, str(tmp_path / "store"))
    prepared.prepare()
    return prepared


@pytest.fixture
def published(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """The encoder that a Hugging Face of our own has."""
    torch.manual_seed(5)
    state = get_encoder(ENCODER, weights=None).state_dict()
    commit = encoders[ENCODER]["pretrained_settings"]["imagenet"]["revision"]
    server.offer_repository(REPOSITORY, "model.safetensors", save(state), license_="bsd-3-clause", commit=commit)
    monkeypatch.setenv("HF_ENDPOINT", server.url())
    return state


def own_file(path: Path, seed: int = 0, channels: int = 3, classes: int = 5) -> dict[str, torch.Tensor]:
    """The ``model.pt`` of a training on other data: another number of channels and of classes."""
    torch.manual_seed(seed)
    network = registry.build(registry.default_unit("unet", NETWORK), channels, classes)
    torch.save({"network": network.state_dict(), "unit": {"model": "unet"}}, path)
    return network.state_dict()


def assert_started_from(trained: dict[str, Any], encoder: dict[str, torch.Tensor]) -> None:
    """A frozen encoder ends as it started, its statistics too; one channel gets the sum of three."""
    network = trained["network"]
    torch.testing.assert_close(network[f"network.encoder.{FIRST}"], encoder[FIRST].sum(1, keepdim=True))
    for name, value in encoder.items():
        if name != FIRST:
            torch.testing.assert_close(network[f"network.encoder.{name}"], value, rtol=0, atol=0)


def test_a_training_starts_from_what_was_pulled_and_says_so(
    anywhere: Place, published: dict[str, torch.Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    anywhere.prepare()
    assert main(["weights", "pull", "unet", "--weights", REPOSITORY, "--store", anywhere.store]) == 0
    with caplog.at_level(logging.INFO):
        assert anywhere("train", "weights=imagenet") == 0
    assert f"unet: starts from {REPOSITORY} (bsd-3-clause): " in caplog.text
    assert f"adapted to the number of channels: encoder.{FIRST}; left random: decoder, segmentation_head" in caplog.text
    trained = anywhere.trained(tmp_path)
    assert_started_from(trained, published)
    digest = hashlib.sha256(save(published)).hexdigest()
    assert trained["weights"] == {"place": REPOSITORY, "sha256": digest, "license": "bsd-3-clause"}
    assert anywhere("evaluate", "weights=imagenet") == 0
    assert json.loads(anywhere.unit("summary.json"))["weights"] == trained["weights"]


def test_a_training_starts_from_our_own_model_for_other_data(place: Place, tmp_path: Path) -> None:
    source = own_file(tmp_path / "other.pt")
    encoder = {name.removeprefix("network.encoder."): value for name, value in source.items() if ".encoder." in name}
    assert place("train", "weights=other.pt") == 0
    assert_started_from(place.trained(tmp_path), encoder)


def test_a_published_encoder_of_timm_is_loaded_by_timms_own_rules(
    place: Place, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name = "resnet10t.c3_in1k"
    state = timm.create_model(name).state_dict()
    server.offer_repository(f"timm/{name}", "model.safetensors", save(state), license_="apache-2.0")
    monkeypatch.setenv("HF_ENDPOINT", server.url())
    assert main(["weights", "pull", "unet", "--weights", f"timm/{name}", "--store", place.store]) == 0
    models = f"models=[{{model: unet, set: {{network.encoder: tu-{name}}}}}]"
    with caplog.at_level(logging.INFO):
        assert place("train", models, "weights=imagenet") == 0
    assert f"unet: starts from timm/{name} (apache-2.0): " in caplog.text
    assert "left random: decoder, segmentation_head; not used of the file: fc.weight, fc.bias" in caplog.text


def test_a_file_may_lie_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bucket = Place(tmp_path, "embedded")
    bucket.prepare()
    source = own_file(tmp_path / "other.pt", channels=1, classes=2)
    with session(StoreConfig(uri=bucket.store)) as uri:
        open_store(f"{uri}/mine").put_file(tmp_path / "other.pt", "other.pt")
    where = f"{uri}/mine/other.pt"
    assert bucket("train", f"weights={where}", encoder="learning_rate_factor: 1.0e-30") == 0
    trained = bucket.trained(tmp_path)
    assert trained["weights"]["place"] == where
    name = "network.encoder.features.1.conv.0.0.weight"
    torch.testing.assert_close(trained["network"][name], source[name])


def test_a_missing_mirror_stops_the_run_at_its_start_with_the_commands(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    models = "models=[unet, pspnet, {model: fpn, set: {weights: a/b}}, {model: unet3d, set: {weights: none}}]"
    assert place("train", models, "weights=imagenet", encoder="frozen_epochs: 0") == 1
    said = capsys.readouterr().err
    assert "weights lacks smp-hub/resnet34.imagenet for unet, smp-hub/resnet34.imagenet for pspnet, a/b for fpn" in said
    assert f"`medseg weights pull unet pspnet --store {place.store}`" in said
    assert f"`medseg weights pull fpn --weights a/b --store {place.store}`" in said
    assert not Path(place.store, "runs").exists()


def test_the_command_for_the_embedded_server_names_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    embedded = Place(tmp_path, "embedded")
    embedded.prepare()
    assert embedded("train", "weights=imagenet") == 1
    folder = tmp_path / ".medseg/s3/medseg"
    assert f"`medseg weights pull unet --weights {REPOSITORY} --store {folder}`" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["other bytes", "no file"])
def test_a_damaged_mirror_is_told_and_mended_by_the_command(
    place: Place, published: dict[str, torch.Tensor], damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pull = ["weights", "pull", "unet", "--weights", REPOSITORY, "--store", place.store]
    assert main(pull) == 0
    file = Path(place.store, "weights", REPOSITORY, "model.safetensors")
    if damage == "no file":
        file.unlink()
    else:
        save_file(load_file(file) | {"extra": torch.zeros(1)}, file)
    assert place("train", "weights=imagenet") == 1
    assert f"`medseg {' '.join(pull)}` mirrors it anew" in capsys.readouterr().err
    assert main(pull) == 0
    assert place("train", "weights=imagenet") == 0


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ("nowhere.pt", "weights = nowhere.pt: there is no such file"),
        ("half.pt", "half.pt: cannot be read as weights"),
        ("small.pt", "small.pt: has only 0 of the "),
    ],
)
def test_a_file_that_is_not_there_or_does_not_fit_stops_the_training(
    place: Place, tmp_path: Path, weights: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own_file(tmp_path / "whole.pt")
    (tmp_path / "half.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:100_000])
    torch.save({"a": torch.zeros(1)}, tmp_path / "small.pt")
    assert place("train", f"weights={weights}") == 1
    assert says in capsys.readouterr().err


def test_other_weights_are_another_training_and_the_same_ones_are_not(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own_file(tmp_path / "w.pt", seed=1)
    with caplog.at_level(logging.INFO):
        assert place("train", "weights=w.pt") == 0
        (tmp_path / "w.pt").rename(tmp_path / "v.pt")
        assert place("train", "weights=v.pt") == 0
        assert "unet seed 0 fold 0 is done already" in caplog.text
        own_file(tmp_path / "v.pt", seed=2)
        assert place("train", "weights=v.pt") == 0
    assert caplog.text.count("have changed since this run started") == 1


def test_a_resumed_training_does_not_load_them_again(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own_file(tmp_path / "w.pt")
    assert place("train", "weights=w.pt") == 0
    unit = open_store(f"{place.store}/runs/one/unet/seed-0/fold-0")
    unit.delete("model.pt")
    unit.put_bytes("status.json", unit.get_bytes("status.json").replace(b'"evaluate"', b'"train"'))
    with caplog.at_level(logging.INFO):
        assert place("train", "weights=w.pt") == 0
    assert "goes on from its checkpoint at step 2 of 2" in caplog.text
    assert caplog.text.count("starts from") == 1


def test_a_model_without_an_encoder_ignores_what_is_said_of_it(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    models = "models=[{model: unet3d, set: {network.channels: [4, 8]}}]"
    with caplog.at_level(logging.INFO):
        assert place("train", models) == 0
    assert "unet3d: has no encoder to treat apart, train.encoder is ignored" in caplog.text
