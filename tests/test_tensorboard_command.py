"""``medseg tensorboard`` as a user types it: a real TensorBoard over a real S3 server, asked for what it shows."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from medseg.cli import main
from medseg.reporting.gallery import gallery
from medseg.reporting.run_reader import read_run
from medseg.reporting.tensorboard import write_tensorboard
from medseg.storage.embedded import BUCKET
from medseg.training.history import EpochRecord, TensorBoardLog
from tests.reporting.runs import ScratchRun

PATIENCE_S = 60.0
EMBEDDED_FOLDER = Path(".medseg") / "s3" / BUCKET
UNIT = "unet/seed-0/fold-0"
EVERY_STATUS = ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_UNKNOWN", "STATUS_RUNNING"]


@pytest.fixture
def port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the command is typed: the store on this machine holds a run with one trained and one failed model."""
    folder = tmp_path_factory.mktemp("workplace")
    run = ScratchRun(folder / EMBEDDED_FOLDER)
    run.config(["unet", "fpn"])
    run.succeed("unet", 1)
    run.status("fpn", "failed", reason="out of memory")
    with TensorBoardLog() as log:
        for step in (5, 10):
            log.scalars(EpochRecord(step // 5, step, 0.1, 1 / step, 0.5, 1.0, 1.0), {"liver": 0.75, "tumour": 0.25})
        for key, data in log.files():
            run.put("unet", key, data)
    results = read_run(run.uri)
    write_tensorboard(results, gallery(results, results.models), Path(run.uri) / "report" / "tensorboard")
    return folder


@contextmanager
def typed(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "medseg.cli", "tensorboard", *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Browser:
    """What TensorBoard's pages ask it for."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/data"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str, **question: Any) -> Any:
        body = json.dumps(question).encode() if question else None
        request = urllib.request.Request(f"{self._url}/{path}", body, {"Content-Type": "application/json"})
        with self._opener.open(request, timeout=10) as answer:
            return json.load(answer)

    def wait_for_curves(self) -> Any:
        """The runs, once TensorBoard is there and has read their files."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if "train_loss" in self.get("plugin/scalars/tags").get(UNIT, {}):
                    return self.get("runs")
            except OSError:
                pass  # not there yet
            time.sleep(0.2)
        raise AssertionError(f"TensorBoard shows no curves of {UNIT} after {PATIENCE_S} s")


def test_a_run_in_s3_is_shown_with_curves_scores_and_pictures_until_ctrl_c(workplace: Path, port: int) -> None:
    with typed(workplace, "demo-1", "--port", str(port)) as process:
        browser = Browser(port)
        assert browser.wait_for_curves() == ["fpn/seed-0/fold-0", "report", UNIT]

        scalars, images = (browser.get(f"plugin/{kind}/tags") for kind in ("scalars", "images"))
        curves = {"train_loss", "validation_dice", "validation_dice/liver", "validation_dice/tumour"}
        assert curves | {"results/dice", "results/hd95_mm"} <= set(scalars[UNIT])
        assert {"results_cases/worst"} <= set(images[UNIT])
        assert {"results_boxes/dice"} <= set(images["report"])

        question = {"allowedStatuses": EVERY_STATUS, "startIndex": 0, "sliceSize": 9}
        rows = {row["name"]: row for row in browser.get("plugin/hparams/session_groups", **question)["sessionGroups"]}
        assert rows[UNIT]["hparams"]["optimizer"] == "sgd"
        assert {value["name"]["tag"] for value in rows[UNIT]["metricValues"]} >= {
            "results/dice",
            "results/parameters_millions",
        }
        assert rows["fpn/seed-0/fold-0"]["sessions"][0]["status"] == "STATUS_FAILURE"

        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert f"TensorBoard: http://localhost:{port}/" in told
        assert "2 trainings" in told
        assert "Traceback" not in told


def test_a_port_that_is_taken_is_named_with_the_way_out(workplace: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = str(listener.getsockname()[1])
        with typed(workplace, "--store", str(EMBEDDED_FOLDER), "--port", port) as process:
            told, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert f"could not bind to port {port}, it was already in use; --port N takes another port" in told
    assert "Traceback" not in told


def test_an_unknown_run_is_refused_with_those_that_are_there(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tensorboard", "demo-2", "--store", str(workplace / EMBEDDED_FOLDER)]) == 1
    assert "demo-2: no such run; runs in this store: demo-1" in capsys.readouterr().err
