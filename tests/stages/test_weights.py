"""Published weights come into a store once, whole and with their licence, or it is said what to do."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from segmentation_models_pytorch.encoders import encoders

from medseg.cli import main
from medseg.config import StoreConfig
from medseg.errors import AccessError, DataError, NotFoundError, RecipeError, UnreachableError
from medseg.models.weights import Source, weights_table
from medseg.models.weights_download import download
from medseg.stages.weights import mirrored, pull
from medseg.storage import open_store, session
from tests.serving import COMMIT, Server

CONTENT = np.random.default_rng(0).bytes(10_000)
HASH = hashlib.sha256(CONTENT).hexdigest()
RESNET34 = "smp-hub/resnet34.imagenet"


def pinned(encoder: str) -> str:
    """The revision that the library's table names."""
    return encoders[encoder]["pretrained_settings"]["imagenet"]["revision"]


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "store")
        return
    with session(StoreConfig(embedded_folder=tmp_path / "s3")) as uri:
        yield uri


@pytest.fixture(autouse=True)
def hub(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A Hugging Face of our own with the encoder of ``unet`` and a repository of somebody."""
    monkeypatch.setenv("HF_ENDPOINT", server.url())
    monkeypatch.setenv("MEDSEG_CACHE", str(tmp_path / "cache"))
    server.offer_repository(RESNET34, "model.safetensors", CONTENT, license_=None, commit=pinned("resnet34"))
    server.offer_repository("some/body", "pytorch_model.bin", CONTENT, license_="cc-by-nc-4.0")
    return server


def test_models_that_share_an_encoder_share_its_file(store: str, hub: Server) -> None:
    (entry,) = pull(["unet", "unetpp"], "imagenet", store)
    assert (entry.place, entry.file, entry.bytes, entry.sha256) == (RESNET34, "model.safetensors", len(CONTENT), HASH)
    assert (entry.license, entry.revision) == ("BSD-3-Clause", pinned("resnet34"))
    lying = open_store(f"{store}/weights/{RESNET34}")
    assert lying.get_bytes("model.safetensors") == CONTENT
    assert json.loads(lying.get_bytes("weights.json"))["sha256"] == HASH
    assert mirrored(store) == [entry]
    assert hub.asked == [0]


def test_what_is_there_whole_is_not_fetched_again_and_what_is_damaged_is(store: str, hub: Server) -> None:
    (first,) = pull(["unet"], "imagenet", store)
    assert pull(["unet"], "imagenet", store) == [first]
    assert hub.asked == [0]
    lying = open_store(f"{store}/weights/{RESNET34}")
    lying.put_bytes("model.safetensors", CONTENT[:-1] + b"?")
    pull(["unet"], "imagenet", store)
    assert lying.get_bytes("model.safetensors") == CONTENT
    lying.delete("model.safetensors")
    pull(["unet"], "imagenet", store)
    assert lying.get_bytes("model.safetensors") == CONTENT
    assert hub.asked == [0, 0, 0]


def test_another_revision_takes_the_place_of_the_mirrored_one(tmp_path: Path, hub: Server) -> None:
    """By its name alone the newest revision is taken; the model's own encoder is pinned to one by the library."""
    hub.offer_repository(RESNET34, "pytorch_model.bin", b"newer")
    store = str(tmp_path)
    (newest,) = pull(["unet"], RESNET34, store)
    assert (newest.revision, newest.file) == (COMMIT, "pytorch_model.bin")
    (own,) = pull(["unet"], "imagenet", store)
    assert [item.key for item in open_store(f"{store}/weights/{RESNET34}").list()] == [
        "model.safetensors",
        "weights.json",
    ]
    assert pull(["unet"], RESNET34, store) == [own]


def test_a_repository_by_its_name_keeps_the_licence_of_its_card(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        (entry,) = pull(["unet"], "some/body", str(tmp_path))
    assert (entry.license, entry.revision, entry.file) == ("cc-by-nc-4.0", COMMIT, "pytorch_model.bin")
    assert "some/body: cc-by-nc-4.0 does not allow commercial use" in caplog.text


def test_a_licence_that_is_not_stated_is_said_to_be_so(tmp_path: Path, hub: Server) -> None:
    hub.offer_repository("no/card", "model.safetensors", CONTENT, license_=None)
    (entry,) = pull(["unet"], "no/card", str(tmp_path))
    assert entry.license == f"not stated, see {hub.url('no/card')}"


def test_segformers_encoder_is_not_for_commercial_use(
    tmp_path: Path, hub: Server, caplog: pytest.LogCaptureFixture
) -> None:
    commit = pinned("mit_b0")
    hub.offer_repository("smp-hub/mit_b0.imagenet", "model.safetensors", CONTENT, license_="other", commit=commit)
    with caplog.at_level(logging.WARNING):
        pull(["segformer"], "imagenet", str(tmp_path))
    assert "NVIDIA Source Code License (non-commercial) does not allow commercial use" in caplog.text


def test_a_cut_connection_to_the_hub_is_taken_up_where_it_broke_off(tmp_path: Path, hub: Server) -> None:
    """The library writes blocks of 10 MiB."""
    content = CONTENT * 1200
    hub.offer_repository("large/file", "model.safetensors", content)
    hub.cuts = [11_000_000]
    (entry,) = pull(["unet"], "large/file", str(tmp_path))
    assert entry.sha256 == hashlib.sha256(content).hexdigest()
    assert hub.asked == [0, 10 * 2**20]


def test_a_file_that_is_not_what_the_hub_says_is_refused(tmp_path: Path, hub: Server) -> None:
    hub.files[f"some/body/resolve/{COMMIT}/pytorch_model.bin"] = CONTENT[::-1]
    with pytest.raises(DataError, match=f"sha256 is .*, must be {HASH}; the file was removed"):
        pull(["unet"], "some/body", str(tmp_path / "store"))
    assert not mirrored(str(tmp_path / "store"))


@pytest.mark.parametrize(
    ("status", "code", "error", "says"),
    [
        (403, "GatedRepo", AccessError, "is gated; accept its terms on that page and set HF_TOKEN"),
        (401, "RepoNotFound", NotFoundError, "no such repository, or it is private; check its spelling, or set HF_TOK"),
        (401, "", AccessError, "refused with 401; set HF_TOKEN"),
        (404, "", NotFoundError, "is not there; check its spelling"),
        (500, "", UnreachableError, "answers 500; set HF_ENDPOINT"),
    ],
)
def test_a_hub_that_refuses_is_told_with_the_next_step(
    tmp_path: Path, hub: Server, status: int, code: str, error: type[Exception], says: str
) -> None:
    hub.refused["api/models/some/body"] = (status, {"X-Error-Code": code} if code else {})
    with pytest.raises(error, match=f"/some/body: .*{says}"):
        pull(["unet"], "some/body", str(tmp_path))


def test_a_hub_that_does_not_answer_is_told_with_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="http://127.0.0.1:9/some/body: .*; set HF_ENDPOINT to a server"):
        pull(["unet"], "some/body", str(tmp_path))


def test_a_repository_with_several_files_and_none_by_the_usual_name_is_refused(tmp_path: Path, hub: Server) -> None:
    about = {"id": "many/files", "sha": COMMIT, "siblings": [{"rfilename": "a.pt"}, {"rfilename": "b.pt"}]}
    hub.files["api/models/many/files"] = json.dumps(about).encode()
    with pytest.raises(NotFoundError, match="no single file of weights .* it has: a.pt, b.pt. Fetch one of them"):
        pull(["unet"], "many/files", str(tmp_path))


def test_a_file_at_an_address_is_resumed_and_lies_under_its_host(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["model_swinvit.pt"], server.cuts = CONTENT, [4000]
    monkeypatch.setitem(weights_table()["models"], "swinunetr", {"url": server.url("model_swinvit.pt")})
    (entry,) = pull(["swinunetr"], "imagenet", str(tmp_path))
    assert (entry.name, entry.revision, entry.license) == ("127.0.0.1/model_swinvit", None, "Apache-2.0")
    assert server.asked == [0, 4000]
    assert pull(["swinunetr"], "imagenet", str(tmp_path)) == [entry]


def test_a_file_whose_name_gives_another_hash_is_refused(tmp_path: Path, server: Server) -> None:
    right, wrong = f"net-{HASH[:8]}.pth", "net-0123abcd.pth"
    server.files |= {right: CONTENT, wrong: CONTENT}
    assert download(Source(server.url(right)), tmp_path).sha256 == HASH
    with pytest.raises(DataError, match=f"SHA-256 is {HASH}, not 0123abcd… as its name says; try again"):
        download(Source(server.url(wrong)), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [right]


@pytest.mark.parametrize(
    ("name", "weights", "says"),
    [
        ("unett", "imagenet", "no model is called 'unett'. Nearest: unet"),
        ("unet3d", "imagenet", "unet3d: weights = imagenet: nobody has published any for it"),
        ("unet", "none", "--weights none: must be imagenet or a Hugging Face repository"),
        ("unet", "imagenett", "weights = 'imagenett': must be none, imagenet, a Hugging Face repository"),
    ],
)
def test_what_cannot_be_pulled_is_said_before_anything_is(
    tmp_path: Path, hub: Server, name: str, weights: str, says: str
) -> None:
    with pytest.raises(RecipeError, match=says):
        pull(["deeplabv3", name], weights, str(tmp_path))
    assert not hub.asked


def test_pull_and_list_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "pull", "unet", "--store", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"Weights: {tmp_path}/weights/{RESNET34} (BSD-3-Clause)\n"
    assert main(["weights", "list", "--store", str(tmp_path)]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split() == ["weights", "MB", "mirrored", "revision", "licence"]
    assert line.split()[:2] == [RESNET34, "0.0"]
    assert line.endswith("BSD-3-Clause")
    assert main(["weights", "pull", "unett", "--store", str(tmp_path)]) == 1
    assert "Nearest: unet" in capsys.readouterr().err
