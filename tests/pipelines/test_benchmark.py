"""The compiled package is the DAG that the design draws."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.__main__ import main

RECIPES = Path(__file__).resolve().parents[2] / "pipelines" / "recipes"


def compiled(tmp_path: Path, settings: Sequence[str], recipe: str = "demo.yaml") -> dict[str, Any]:
    output = tmp_path / "benchmark.yaml"
    overrides = [word for setting in settings for word in ("--set", setting)]
    assert main(["compile", str(RECIPES / recipe), "-o", str(output), *overrides]) == 0
    return next(yaml.load_all(output.read_text(), yaml.CSafeLoader))


def dag(spec: dict[str, Any], component: str) -> dict[str, Any]:
    return spec["components"][component]["dag"]["tasks"]


def after(tasks: dict[str, Any], name: str) -> set[str]:
    return set(tasks[name].get("dependentTasks", []))


def test_the_exit_task_reports_whatever_happened(tmp_path: Path) -> None:
    tasks = compiled(tmp_path, [])["root"]["dag"]["tasks"]
    assert set(tasks) == {"exit-handler-1", "report"}
    assert tasks["report"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


def test_one_sub_pipeline_per_model_between_preprocess_and_gate(tmp_path: Path) -> None:
    tasks = dag(compiled(tmp_path, ["models=[unet, segresnet]"]), "comp-exit-handler-1")
    assert set(tasks) == {"ingest", "preprocess", "unet", "segresnet", "gate"}
    assert after(tasks, "preprocess") == {"ingest"}
    assert after(tasks, "unet") == after(tasks, "segresnet") == {"preprocess"}
    assert after(tasks, "gate") == {"unet", "segresnet"}


def test_reading_scans_fans_out_over_shards_and_comes_together_again(tmp_path: Path) -> None:
    tasks = dag(compiled(tmp_path, ["models=[unet]", "shards=3"]), "comp-exit-handler-1")
    for verb in ("ingest", "preprocess"):
        shards = {name for name in tasks if name.startswith(f"{verb}-shard")}
        parts = {tasks[name]["inputs"]["parameters"]["part"]["runtimeValue"]["constant"] for name in shards}
        assert parts == {"1/3", "2/3", "3/3"}
        assert shards <= after(tasks, verb)
        assert tasks[verb]["inputs"]["parameters"]["merge"]["runtimeValue"]["constant"] is True
    assert all(after(tasks, name) == {"ingest"} for name in tasks if name.startswith("preprocess-shard"))


def test_seeds_and_folds_loop_inside_the_model(tmp_path: Path) -> None:
    spec = compiled(tmp_path, ["models=[unet]", "train.seeds=[3, 5]", "split.folds=2"])
    (loop,) = dag(spec, "comp-unet").values()
    units = yaml.safe_load(loop["parameterIterator"]["items"]["raw"])
    assert [(unit["seed"], unit["fold"]) for unit in units] == [(3, 0), (3, 1), (5, 0), (5, 1)]
    inner = dag(spec, loop["componentRef"]["name"])
    assert set(inner) == {"train-unet", "evaluate-unet"}
    assert after(inner, "evaluate-unet") == {"train-unet"}


def executors(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [executor["container"] for executor in spec["deploymentSpec"]["executors"].values()]


def test_nothing_is_installed_when_a_pod_starts(tmp_path: Path) -> None:
    for container in executors(compiled(tmp_path, [])):
        assert "pip install" not in " ".join(container["command"] + container["args"])


def test_no_credential_is_in_the_package(tmp_path: Path) -> None:
    settings = ["store.uri=s3://b", "store.access_key=KEYID", "store.secret_key=TOPSECRET"]
    text = yaml.safe_dump(compiled(tmp_path, settings))
    assert "KEYID" not in text
    assert "TOPSECRET" not in text


def test_nothing_is_cached_by_kfp(tmp_path: Path) -> None:
    spec = compiled(tmp_path, [])
    dags = [spec["root"]["dag"], *(component["dag"] for component in spec["components"].values() if "dag" in component)]
    leaves = [
        task
        for graph in dags
        for task in graph["tasks"].values()
        if task["componentRef"]["name"]
        in ("comp-ingest", "comp-preprocess", "comp-train", "comp-evaluate", "comp-gate", "comp-report")
    ]
    assert len(leaves) >= 6
    assert not any(task["cachingOptions"].get("enableCache") for task in leaves)


def test_without_a_run_id_every_start_is_a_run_of_its_own(tmp_path: Path) -> None:
    tasks = compiled(tmp_path, ["run_id=null", "name=weekly"])["root"]["dag"]["tasks"]
    given = {
        name: value["runtimeValue"]["constant"]
        for name, value in tasks["report"]["inputs"]["parameters"].items()
        if "runtimeValue" in value
    }
    assert given == {"run_uri": "s3://medseg/runs/weekly", "job_id": "{{$.pipeline_job_uuid}}"}


def test_a_large_recipe_stays_small(tmp_path: Path) -> None:
    settings = ["models=[unet, deeplabv3, segformer, unet3d, segresnet]", "train.seeds=[0, 1, 2]", "split.folds=5"]
    compiled(tmp_path, settings)
    assert (tmp_path / "benchmark.yaml").stat().st_size < 100_000


@pytest.mark.parametrize("recipe", sorted(path.name for path in RECIPES.glob("*.yaml")))
def test_every_ready_recipe_compiles(tmp_path: Path, recipe: str) -> None:
    assert compiled(tmp_path, [], recipe)["pipelineInfo"]["name"] == recipe.removesuffix(".yaml")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compile", "nowhere.yaml"], "nowhere.yaml: no such recipe"),
        (["run", str(RECIPES / "demo.yaml"), "--set", "models=[unett]"], "no model is called 'unett'. Nearest: unet"),
        (["compile", str(RECIPES / "demo.yaml"), "--set", "schedule.cron=0 3 * * 1"], "has five fields"),
        (["run", str(RECIPES / "demo.yaml"), "--set", "train.epochs=-1"], "train.epochs = -1: must be greater than"),
    ],
)
def test_a_wrong_recipe_stops_at_once(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    assert says in capsys.readouterr().err


def test_medseg_alone_does_not_load_kfp() -> None:
    import subprocess

    code = "import medseg.cli, medseg.stages.train, sys; sys.exit('kfp' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
