"""Runs on a cluster: found, followed through outages, their logs, their end before time, and their results."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from medseg.config import load_recipe
from medseg.storage.embedded import embedded_server
from pipelines.connection import Connection, connect
from pipelines.package import compile_package
from pipelines.runs.find import find_run
from pipelines.runs.follow import follow
from pipelines.runs.plan import Plan, plan_of
from pipelines.runs.progress import progress
from tests.pipelines.conftest import Command
from tests.pipelines.kfp_server import KfpServer
from tests.pipelines.kfp_tasks import Tasks
from tests.pipelines.test_connection import options
from tests.reporting.runs import ScratchRun

RECIPE = (
    "name: hip\nrun_id: demo-1\ndataset: {name: hip, source: s3://medseg/raw/hip}\n"
    "models: [unet, segformer]\ntrain: {seeds: [1, 2]}\n"
)
BENCHMARK = "exit-handler-1"
LOOP = "for-loop-2"


def unit(model: str, index: int, verb: str) -> str:
    return f"{BENCHMARK}/{model}/{LOOP}/{index}/{verb}-{model}"


def package(folder: Path, *settings: str) -> dict[str, Any]:
    """What the API tells of the uploaded recipe."""
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE)
    compile_package(load_recipe(recipe, settings), folder / "package.yaml")
    pipeline, platform = yaml.load_all((folder / "package.yaml").read_text(), yaml.CSafeLoader)
    return {"pipeline_spec": pipeline, "platform_spec": platform}


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return package(tmp_path_factory.mktemp("package"))


@pytest.fixture
def tasks(kfp: KfpServer, uploaded: dict[str, Any]) -> Tasks:
    """Those of a run of two models with two seeds each."""
    return kfp.add_run("demo-1 2026-11-22 02:00:00", uploaded)


@pytest.fixture
def connection(kfp: KfpServer) -> Iterator[Connection]:
    with connect(options()) as connection:
        yield connection


@pytest.fixture
def plan(connection: Connection, tasks: Tasks) -> Plan:
    return plan_of(connection, tasks.run)


class TestPlan:
    def test_is_read_from_the_package(self, plan: Plan) -> None:
        assert plan.run_uri == "s3://medseg/runs/demo-1"
        assert plan.parts == ["ingest", "preprocess", "unet", "segformer", "gate", "report"]
        assert plan.units["unet"] == ["seed 1 fold 0", "seed 2 fold 0"]

    def test_of_somebody_elses_run(self, kfp: KfpServer, command: Command, tasks: Tasks) -> None:
        (version,) = kfp.versions.values()
        version.pipeline_spec = {"root": {"dag": {"tasks": {}}}, "components": {}}
        assert "is none that medseg started" in command("status", tasks.run.run_id).told

    def test_of_a_run_without_a_pipeline(self, kfp: KfpServer, command: Command, tasks: Tasks) -> None:
        tasks.run.pipeline_version_reference = None
        assert "is none that medseg started" in command("status", tasks.run.run_id).told

    def test_of_a_run_whose_version_was_deleted(self, kfp: KfpServer, command: Command, tasks: Tasks) -> None:
        kfp.versions.clear()
        assert "was deleted: its page still shows its tasks" in command("status", "demo-1").told


class TestProgress:
    def test_before_anything_started(self, tasks: Tasks, plan: Plan) -> None:
        assert set(progress(tasks.run, plan).values()) == {"waits"}

    def test_counts_trainings(self, tasks: Tasks, plan: Plan) -> None:
        tasks.start(unit("unet", 0, "train"))
        tasks.start(unit("unet", 1, "train"))
        tasks.finish(unit("unet", 0, "train"))
        tasks.start(unit("unet", 0, "evaluate"), after=unit("unet", 0, "train"))
        assert progress(tasks.run, plan)["unet"] == "0 of 2 done, 1 is evaluated, 1 trains"
        tasks.finish(unit("unet", 0, "evaluate"))
        tasks.finish(unit("unet", 1, "train"), "FAILED")
        assert progress(tasks.run, plan)["unet"] == "1 of 2 done, 1 failed"
        assert progress(tasks.run, plan)["segformer"] == "waits"

    def test_a_pod_without_a_node_waits(self, tasks: Tasks, plan: Plan) -> None:
        tasks.start(unit("unet", 0, "train"))
        tasks.finish(f"{unit('unet', 0, 'train')}/executor", "PENDING")
        assert progress(tasks.run, plan)["unet"] == "0 of 2 done, 1 waits for a node, 1 waits"

    def test_what_comes_after_the_models_is_not_theirs(self, tasks: Tasks, plan: Plan) -> None:
        tasks.start(unit("unet", 0, "train"))
        tasks.start(f"{BENCHMARK}/gate", after=unit("unet", 0, "train"))
        tasks.finish(f"{BENCHMARK}/gate", "FAILED")
        words = progress(tasks.run, plan)
        assert (words["gate"], words["unet"]) == ("failed", "0 of 2 done, 1 trains, 1 waits")

    def test_what_never_started_is_left_out(self, tasks: Tasks, plan: Plan) -> None:
        tasks.start(f"{BENCHMARK}/ingest")
        tasks.finish(f"{BENCHMARK}/ingest", "FAILED")
        tasks.omit(f"{BENCHMARK}/preprocess")
        tasks.start("report")
        tasks.finish("report")
        tasks.end("FAILED")
        assert progress(tasks.run, plan) == {
            "ingest": "failed",
            "preprocess": "left out",
            "unet": "left out",
            "segformer": "left out",
            "gate": "left out",
            "report": "done",
        }

    def test_a_model_waits_for_its_turn(self, kfp: KfpServer, connection: Connection, tmp_path: Path) -> None:
        tasks = kfp.add_run("demo-1", package(tmp_path, "resources.max_parallel=1"))
        tasks.start(f"{BENCHMARK}/turn")
        assert progress(tasks.run, plan_of(connection, tasks.run))["segformer"] == "waits for its turn"


class TestFind:
    @pytest.mark.parametrize("text", ["{id}", "hip-{id}", "s3://medseg/runs/hip-{id}", "{name}", "demo-1"])
    def test_by_each_of_its_names(self, connection: Connection, tasks: Tasks, text: str) -> None:
        run = tasks.run
        assert find_run(connection, text.format(id=run.run_id, name=run.display_name)).run_id == run.run_id

    def test_the_newest_of_a_name_beyond_the_first_page(
        self, kfp: KfpServer, connection: Connection, tasks: Tasks
    ) -> None:
        for number in range(60):
            kfp.runs[f"other-{number}"] = type(tasks.run)(
                run_id=f"other-{number}", display_name="x", created_at=tasks.run.created_at.replace(year=2030)
            )
        assert find_run(connection, "demo-1").run_id == tasks.run.run_id

    def test_none_names_those_that_are_there(self, command: Command, tasks: Tasks) -> None:
        missing = command("status", "nope")
        assert missing.code == 1
        assert tasks.run.display_name in missing.told

    def test_of_an_id_that_is_gone(self, kfp: KfpServer, command: Command, tasks: Tasks) -> None:
        del kfp.runs[tasks.run.run_id]
        assert f"no run {tasks.run.run_id} at {kfp.url}" in command("status", tasks.run.run_id).told


class TestStatus:
    def test_alone_lists_the_newest_runs(self, command: Command, tasks: Tasks) -> None:
        assert f"{tasks.run.run_id}  2026-11-22" in command("status").out

    def test_without_runs(self, kfp: KfpServer, command: Command) -> None:
        assert "no runs in namespace kubeflow" in command("status").out

    def test_follows_none_that_is_not_named(self, kfp: KfpServer, command: Command, tasks: Tasks) -> None:
        outcome = command("status", "--wait")
        assert (outcome.code, kfp.requests) == (1, [])
        assert "--wait: name the RUN to follow" in outcome.told

    def test_tells_each_part(self, command: Command, tasks: Tasks) -> None:
        tasks.start(f"{BENCHMARK}/ingest")
        lines = command("status", "demo-1").out.splitlines()
        assert "folder      s3://medseg/runs/demo-1" in lines
        assert "ingest      runs" in lines


class TestFollow:
    def test_one_line_for_each_change(
        self, kfp: KfpServer, connection: Connection, tasks: Tasks, plan: Plan, caplog: pytest.LogCaptureFixture
    ) -> None:
        ingest = f"{BENCHMARK}/ingest"
        kfp.looks = [
            lambda: tasks.start(ingest),
            lambda: None,
            lambda: tasks.finish(ingest),
            lambda: tasks.end("SUCCEEDED"),
        ]
        assert follow(connection, tasks.run.run_id, plan, look_s=0.001).state == "SUCCEEDED"
        told = [line.split("  ", 1)[1] for line in caplog.messages]
        assert told[:3] == ["run: running", "ingest: runs", "ingest: done"]
        assert told[3].startswith("run: succeeded after")

    def test_through_a_server_that_fails_and_answers_again(
        self, kfp: KfpServer, connection: Connection, tasks: Tasks, plan: Plan, caplog: pytest.LogCaptureFixture
    ) -> None:
        kfp.looks = [lambda: None, kfp.fail, kfp.fail, lambda: None, kfp.fail, lambda: tasks.end("FAILED")]
        assert follow(connection, tasks.run.run_id, plan, look_s=0.001).state == "FAILED"
        told = [line.split("  ", 1)[1] for line in caplog.messages if "api:" in line]
        assert told == 2 * [f"api: no answer from {kfp.url}, asking again", "api: answers again"]

    def test_through_a_server_that_dies_and_comes_back(
        self, kfp: KfpServer, connection: Connection, tasks: Tasks, plan: Plan
    ) -> None:
        def die() -> None:
            threading.Thread(target=lambda: (kfp.stop(), time.sleep(0.2), tasks.end("SUCCEEDED"), kfp.start())).start()

        kfp.looks = [die]
        assert follow(connection, tasks.run.run_id, plan, look_s=0.02).state == "SUCCEEDED"

    def test_not_where_the_answer_is_no(self, kfp: KfpServer, command: Command, tasks: Tasks) -> None:
        kfp.looks = [lambda: None, lambda: kfp.fail(403)]
        refused = command("status", "--wait", tasks.run.run_id)
        assert refused.code == 1
        assert "the run goes on. Follow it again" in refused.told

    def test_not_where_a_login_page_is_the_answer(self, kfp: KfpServer, command: Command, tasks: Tasks) -> None:
        kfp.looks[:] = [lambda: None, kfp.show_login]
        outcome = command("status", "--wait", "demo-1")
        assert outcome.code == 1
        assert "the run goes on. Follow it again: python -m pipelines status --wait" in outcome.told
        assert "gave a web page instead of an answer" in outcome.told

    def test_ctrl_c_leaves_the_run_going(self, kfp: KfpServer, command: Command, tasks: Tasks) -> None:
        kfp.looks = [lambda: None, lambda: os.kill(os.getpid(), signal.SIGINT)]
        stopped = command("status", "--wait", tasks.run.run_id, "--namespace", "kubeflow")
        assert stopped.code == 130
        assert f"Follow it again: python -m pipelines status --wait {tasks.run.run_id} --namespace kube" in stopped.told
        assert f"End it: python -m pipelines cancel {tasks.run.run_id}" in stopped.told
        assert tasks.run.state == "PENDING"

    def test_a_failed_run_names_the_logs_to_read(self, command: Command, tasks: Tasks) -> None:
        tasks.start(unit("unet", 1, "train"))
        tasks.finish(unit("unet", 1, "train"), "FAILED")
        tasks.end("FAILED")
        failed = command("status", "--wait", "demo-1")
        assert failed.code == 1
        assert "the run ended as FAILED: unet failed" in failed.told
        assert f"python -m pipelines logs {tasks.run.run_id} unet" in failed.told


class TestLogs:
    @pytest.mark.parametrize("behind_ui", [False, True])
    def test_of_each_start_in_order(self, kfp: KfpServer, command: Command, tasks: Tasks, behind_ui: bool) -> None:
        path = unit("unet", 1, "train")
        kfp.behind_ui = behind_ui
        kfp.logs[tasks.start(path)] = "first start\n"
        kfp.logs[tasks.retry(path)] = "second start\n"
        tasks.finish(path)
        kfp.logs[tasks.start(unit("unet", 1, "evaluate"), after=path)] = "scores\n"
        kfp.logs[tasks.start(unit("unet", 0, "train"))] = "other seed\n"
        kfp.logs[tasks.start(unit("segformer", 0, "train"))] = "other model\n"
        lines = [line.split(" (")[0] for line in command("logs", "demo-1", "unet").out.splitlines() if line]
        assert lines == [
            "== unet seed 1 fold 0 train: running",
            "other seed",
            "== unet seed 2 fold 0 train start 1: failed",
            "first start",
            "== unet seed 2 fold 0 train start 2: succeeded",
            "second start",
            "== unet seed 2 fold 0 evaluate: running",
            "scores",
        ]

    def test_alone_lists_the_pods(self, command: Command, tasks: Tasks) -> None:
        pod = tasks.start(f"{BENCHMARK}/ingest")
        assert command("logs", "demo-1").out.split() == ["ingest:", "running", pod]

    def test_that_nobody_kept(self, command: Command, tasks: Tasks) -> None:
        tasks.start(f"{BENCHMARK}/ingest")
        assert "no log is kept of this pod" in command("logs", "demo-1", "ingest").out

    @pytest.mark.parametrize("behind_ui", [False, True])
    def test_that_this_user_may_not_read(self, kfp: KfpServer, command: Command, tasks: Tasks, behind_ui: bool) -> None:
        tasks.start(f"{BENCHMARK}/ingest")
        kfp.private, kfp.behind_ui = True, behind_ui
        outcome = command("logs", "demo-1", "ingest")
        assert outcome.code == 1
        assert "does not allow this in namespace kubeflow (403)" in outcome.told

    def test_of_a_part_that_has_not_started(self, command: Command, tasks: Tasks) -> None:
        assert "no pod of unet has started" in command("logs", "demo-1", "unet").out

    def test_of_another_model(self, command: Command, tasks: Tasks) -> None:
        told = command("logs", "demo-1", "vit").told
        assert told.startswith("ClusterError: ")
        assert "choices: ingest, preprocess, unet, segformer, gate, report" in told

    def test_before_any_pod(self, command: Command, tasks: Tasks) -> None:
        early = command("logs", "demo-1")
        assert (early.code, early.out[:26]) == (0, "no pod has started yet: py")


class TestCancel:
    def test_ends_the_run_and_says_how_to_report_it(
        self, connection: Connection, command: Command, tasks: Tasks, plan: Plan
    ) -> None:
        assert "medseg report s3://medseg/runs/demo-1" in command("cancel", "demo-1").out
        assert follow(connection, tasks.run.run_id, plan, look_s=0.001).state == "FAILED"

    def test_leaves_somebody_elses_run_alone(self, kfp: KfpServer, command: Command) -> None:
        other = kfp.add_run("theirs", {"root": {"dag": {"tasks": {}}}, "components": {}})
        assert command("cancel", "theirs").code == 1
        assert other.run.state == "PENDING"

    def test_again_changes_nothing(self, kfp: KfpServer, command: Command, tasks: Tasks) -> None:
        tasks.run.state = "CANCELING"
        again = command("cancel", tasks.run.display_name)
        assert (again.code, "is being cancelled already" in again.out) == (0, True)
        assert [one.path for one in kfp.requests if one.method == "POST"] == []

    def test_of_an_ended_run_changes_nothing(self, command: Command, tasks: Tasks) -> None:
        tasks.end("SUCCEEDED")
        assert "has ended already: succeeded" in command("cancel", "demo-1").out


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScratchRun]:
    """The run's folder in an S3 store that this machine reaches."""
    run = ScratchRun(tmp_path / "store" / "medseg")
    run.config(["unet", "segformer"])
    run.succeed("unet")
    run.succeed("segformer", shift=2)
    with embedded_server(tmp_path / "store") as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", endpoint.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", endpoint.secret_key)
        yield run


class TestResults:
    def test_wait_ends_with_the_leaderboard(self, command: Command, tasks: Tasks, results: ScratchRun) -> None:
        tasks.end("SUCCEEDED")
        done = command("status", "--wait", "demo-1")
        assert done.code == 0
        assert done.out.index("unet") < done.out.index("segformer")

    def test_fetch_copies_the_report(self, command: Command, tasks: Tasks, results: ScratchRun, tmp_path: Path) -> None:
        results.store.put_bytes("report/index.html", b"<html>")
        results.store.put_bytes("report/tables/leaderboard.csv", b"model\n")
        fetched = command("fetch", "demo-1", "--output", str(tmp_path / "out"))
        assert f"2 files in {tmp_path / 'out'}" in fetched.out
        assert (tmp_path / "out/tables/leaderboard.csv").read_bytes() == b"model\n"

    def test_fetch_again_renews_a_report_of_the_same_size(
        self, command: Command, tasks: Tasks, results: ScratchRun, tmp_path: Path
    ) -> None:
        for content in (b"first", b"later"):
            results.store.put_bytes("report/index.html", content)
            command("fetch", "demo-1", "--output", str(tmp_path / "out"))
        assert (tmp_path / "out/index.html").read_bytes() == b"later"

    def test_fetch_without_a_report(self, command: Command, tasks: Tasks, results: ScratchRun) -> None:
        assert "medseg report s3://medseg/runs/demo-1 makes one" in command("fetch", "demo-1").told

    def test_a_store_that_is_out_of_reach(
        self, command: Command, tasks: Tasks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
        tasks.end("SUCCEEDED")
        done = command("status", "--wait", "demo-1")
        assert done.code == 0
        assert "kubectl --namespace kubeflow port-forward service/seaweedfs 9000:9000" in done.told

    def test_fetch_without_keys_says_where_they_are(
        self, command: Command, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        fetched = command("fetch", "demo-1", "--namespace", "team")
        assert fetched.code == 1
        assert "kubectl --namespace team get secret medseg-s3 -o yaml" in fetched.told
