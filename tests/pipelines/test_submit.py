"""A recipe becomes a run: uploaded once per content, started under its account, refused where pods cannot follow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.conftest import Command
from tests.pipelines.kfp_server import KfpServer, RefusedError, Request

RECIPE = "dataset: {name: hip, source: s3://medseg/raw/hip}\nmodels: [unet, unet3d]\n"


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "weekly.yaml"
    path.write_text(RECIPE)
    return str(path)


class TestFirstSubmit:
    def test_starts_a_run_of_a_new_version_in_a_new_experiment(
        self, kfp: KfpServer, command: Command, recipe: str
    ) -> None:
        assert command("submit", recipe, "--set", "cluster.experiment=clinic").code == 0
        (run,), (version,) = kfp.runs.values(), kfp.versions.values()
        assert run.pipeline_version_reference.pipeline_version_id == version.pipeline_version_id
        assert run.service_account == "medseg-runner"
        assert re.fullmatch(r"weekly \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", run.display_name)
        assert kfp.experiments[run.experiment_id].display_name == "clinic"
        assert re.fullmatch(r"weekly-[0-9a-f]{12}", version.name)

    def test_says_where_the_run_is(self, kfp: KfpServer, command: Command, recipe: str) -> None:
        out = command("submit", recipe).out
        (run_id,) = kfp.runs
        assert f"{kfp.url}/#/runs/details/{run_id}" in out
        assert f"s3://medseg/runs/weekly-{run_id}" in out
        assert f"python -m pipelines status --wait {run_id}" in out

    def test_a_namespace_for_each_user(self, kfp: KfpServer, command: Command, recipe: str) -> None:
        kfp.multi_user = True
        assert command("submit", recipe, "--set", "cluster.namespace=team").code == 0
        assert [one.namespace for one in (*kfp.experiments.values(), *kfp.pipelines.values())] == ["team", "team"]


class TestLaterSubmit:
    def test_of_the_same_recipe_uploads_nothing(self, kfp: KfpServer, command: Command, recipe: str) -> None:
        command("submit", recipe)
        assert "is there already" in command("submit", recipe).out
        assert (len(kfp.versions), len(kfp.experiments), len(kfp.runs)) == (1, 1, 2)

    def test_of_a_changed_recipe_adds_a_version(self, kfp: KfpServer, command: Command, recipe: str) -> None:
        command("submit", recipe)
        command("submit", recipe, "--set", "train.epochs=3")
        assert (len(kfp.pipelines), len(kfp.versions)) == (1, 2)

    def test_into_a_folder_that_is_written_to_is_refused(self, kfp: KfpServer, command: Command, recipe: str) -> None:
        command("submit", recipe, "--set", "run_id=demo")
        (run_id,) = kfp.runs
        second = command("submit", recipe, "--set", "run_id=demo")
        assert second.code == 1
        assert "a run that has not ended writes into s3://medseg/runs/demo" in second.told
        assert f"python -m pipelines cancel {run_id}" in second.told
        assert len(kfp.runs) == 1

    def test_into_the_folder_of_an_ended_run_goes_on_there(self, kfp: KfpServer, command: Command, recipe: str) -> None:
        command("submit", recipe, "--set", "run_id=demo")
        (run_id,) = kfp.runs
        kfp.tasks[run_id].end("FAILED")
        assert "s3://medseg/runs/demo\n" in command("submit", recipe, "--set", "run_id=demo").out

    def test_beside_an_active_run_in_another_folder(self, kfp: KfpServer, command: Command, recipe: str) -> None:
        command("submit", recipe, "--set", "run_id=demo")
        assert command("submit", recipe, "--set", "run_id=other").code == 0
        assert command("submit", recipe).code == 0


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("store=/data/store", "is a folder: give s3://bucket"),
        ("store=s3://", "store = 's3://' names no bucket: give s3://bucket"),
        ("dataset.source=null", "dataset.source = None names no scans"),
        ("dataset.source=s3://", "dataset.source = 's3://' names no scans"),
        ("store.access_key=mine", "that cluster.store_secret names (medseg-s3)"),
        ("dataset.source=scans", "rclone copy scans REMOTE:medseg/raw/hip"),
        ("dataset.deidentify.key=file:my.key", "that cluster.pseudonym_secret names (medseg-pseudonyms)"),
        ("weights=./encoder.pt", "weights = './encoder.pt' is a file"),
    ],
)
def test_what_pods_cannot_reach_is_refused(
    kfp: KfpServer, command: Command, recipe: str, setting: str, rule: str
) -> None:
    refused = command("submit", recipe, "--set", setting)
    assert refused.code == 1
    assert rule in refused.told
    assert kfp.requests == []


def test_a_finished_data_set_needs_no_source(kfp: KfpServer, command: Command, recipe: str) -> None:
    assert command("submit", recipe, "--set", "dataset.source=null", "--set", "dataset.version=v1").code == 0


def test_a_package_that_pods_cannot_run_is_compiled_with_a_warning(
    command: Command, recipe: str, tmp_path: Path
) -> None:
    package = tmp_path / "package.yaml"
    compiled = command("compile", recipe, "-o", str(package), "--set", "store=/data/store")
    assert compiled.code == 0
    assert package.is_file()
    assert "store = '/data/store' is a folder: give s3://bucket" in compiled.told
    assert command("compile", recipe, "-o", str(package)).told == ""


class LosesAnswers(KfpServer):
    """Starts a run, but its answer does not arrive."""

    loss: Exception

    def answer(self, request: Request) -> Any:
        answer = super().answer(request)
        if request.method == "POST" and request.path.endswith("/runs"):
            raise self.loss
        return answer


@pytest.mark.parametrize("loss", [RefusedError(504, "upstream request timeout"), ConnectionResetError()])
def test_a_lost_answer_is_told(command: Command, recipe: str, loss: Exception) -> None:
    with LosesAnswers() as server:
        server.loss = loss
        lost = command("submit", recipe, "--endpoint", server.url)
        assert (lost.code, len(server.runs)) == (1, 1)
        looking = f"python -m pipelines status --endpoint {server.url}"
        assert f"the run may have started: look with {looking} before submitting again" in lost.told


def test_a_refused_run_has_not_started(command: Command, recipe: str) -> None:
    with LosesAnswers() as server:
        server.loss = RefusedError(403, "not allowed")
        refused = command("submit", recipe, "--endpoint", server.url)
        assert "does not allow this" in refused.told
        assert "may have started" not in refused.told


def test_a_model_that_does_not_exist_is_refused(kfp: KfpServer, command: Command, recipe: str) -> None:
    assert command("submit", recipe, "--set", "models=[unett]").code == 1
    assert kfp.requests == []


def test_wait_ends_with_the_run(kfp: KfpServer, command: Command, recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # the run has left no results, here or elsewhere
    kfp.looks = [lambda: next(iter(kfp.tasks.values())).end("SUCCEEDED")]
    assert command("submit", recipe, "--wait").code == 0
