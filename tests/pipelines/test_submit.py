"""A recipe becomes a run: uploaded once per content, started under its account, refused where pods cannot follow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pipelines.conftest import Command
from tests.pipelines.kfp_server import KfpServer

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
        ("store.access_key=mine", "that cluster.store_secret names (medseg-s3)"),
        ("dataset.source=scans", "rclone copy scans REMOTE:medseg/raw/hip"),
        ("dataset.deidentify.key=file:my.key", "that cluster.pseudonym_secret names (medseg-pseudonyms)"),
        ("dataset.deidentify.key=env:OTHER", "--set dataset.deidentify.key=env:MEDSEG_PSEUDONYM_KEY"),
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


def test_a_model_that_does_not_exist_is_refused(kfp: KfpServer, command: Command, recipe: str) -> None:
    assert command("submit", recipe, "--set", "models=[unett]").code == 1
    assert kfp.requests == []


def test_wait_ends_with_the_run(kfp: KfpServer, command: Command, recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # the run has left no results, here or elsewhere
    kfp.looks = [lambda: next(iter(kfp.tasks.values())).end("SUCCEEDED")]
    assert command("submit", recipe, "--wait").code == 0
