"""Runs in every state become one report that says what happened."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from medseg import artifacts
from medseg.errors import StageError
from medseg.stages.report import leaderboard, report, require_success
from medseg.storage import open_store
from tests.reporting.runs import ScratchRun, nifti_bytes

FIRST_COLUMNS = (
    "rank,model,status,dice,iou,sensitivity,specificity,hd95_mm,nsd,seconds_per_case,train_seconds,parameters_millions"
)


def read(run: ScratchRun, name: str = "index.html") -> str:
    return run.store.get_bytes(f"report/{name}").decode()


def table(run: ScratchRun) -> dict[str, dict[str, str]]:
    return {row["model"]: row for row in csv.DictReader(io.StringIO(read(run, "leaderboard.csv")))}


class Tags(HTMLParser):
    """Every tag with its attributes; unclosed tags are an error."""

    VOID = ("meta", "img", "link", "br", "input")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.feed(page)
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> ScratchRun:
    """Five models, two seeds; one failed, one seed of another never ran; tumour absent in one of three cases."""
    run = ScratchRun(tmp_path_factory.mktemp("store"))
    run.config(["good", "twin", "poor", "broken", "stopped"], seeds=(0, 1))
    for model, shifts in {"good": (0, 1), "twin": (1, 0), "poor": (2, 3)}.items():
        for seed, shift in enumerate(shifts):
            run.succeed(model, shift, seed)
    run.succeed("stopped", 0, seed=0)
    for seed in (0, 1):
        run.status("broken", "failed", seed, reason="out of memory: 40 GiB <asked>")
    report(run.uri)
    return run


def test_leaderboard_ranks_ties_and_failures(big: ScratchRun):
    rows = leaderboard(big.uri)
    assert [(row.model, row.rank, row.status) for row in rows] == [
        ("good", 1, "succeeded"),
        ("twin", 1, "succeeded"),
        ("poor", 3, "succeeded"),
        ("stopped", None, "incomplete"),
        ("broken", None, "failed"),
    ]
    assert read(big, "leaderboard.csv").splitlines()[0].startswith(FIRST_COLUMNS)
    broken = table(big)["broken"]
    assert (broken["rank"], broken["dice"], broken["reason"]) == (
        "",
        "",
        "seed 0 fold 0, seed 1 fold 0: out of memory: 40 GiB <asked>",
    )


def test_means_are_over_seeds_then_cases_then_classes(big: ScratchRun):
    good = table(big)["good"]
    # moved by one: liver 4 x 4 x 2 keeps 3 of 4 rows (odd cases), 5 of 6 (the even case); tumour keeps 1 of 2
    liver = np.mean([(1 + 3 / 4) / 2, (1 + 5 / 6) / 2, (1 + 3 / 4) / 2])
    tumour = (1 + 1 / 2) / 2
    assert float(good["dice"]) == pytest.approx((liver + tumour) / 2, abs=1e-9)
    assert float(good["train_seconds"]) == 60.5
    assert float(good["parameters_millions"]) == 1.5
    assert (good["trainings"], good["trainings_succeeded"]) == ("2", "2")
    assert float(good["dice_spread"]) > 0


def test_page_is_complete_self_contained_and_escaped(big: ScratchRun):
    page = read(big)
    tags = Tags(page).tags
    assert all(str(attrs.get("src", "data:")).startswith("data:") for _, attrs in tags)
    assert not any(tag == "link" or "href" in attrs for tag, attrs in tags)
    assert all(attrs.get("alt") for tag, attrs in tags if tag == "img")
    assert all(attrs.get("scope") for tag, attrs in tags if tag == "th")
    assert ("html", {"lang": "en"}) in tags
    assert [attrs.get("class") for _, attrs in tags].count("strip") == 4 * 3 + 4 * 3  # own cases, disagreed ones
    assert "40 GiB &lt;asked&gt;" in page
    assert "5 of 5 patients" in page
    assert "<td>1</td>" in page  # the tumour is absent in one case


def test_gate_names_each_model_without_a_result(big: ScratchRun):
    with pytest.raises(
        StageError, match=r"(?s)2 of 5 models.*broken failed.*stopped incomplete.*never started.*others"
    ):
        require_success(big.uri)


def test_single_case_and_single_model(tmp_path: Path):
    run = ScratchRun(tmp_path, cases=("case_1",))
    run.config(["unet"])
    run.succeed("unet")
    assert report(run.uri).uri == f"{run.uri}/report/index.html"
    require_success(run.uri)
    assert float(table(run)["unet"]["dice"]) == 1
    assert "Only</strong>" in read(run)
    assert table(run)["unet"]["dice_spread"] == ""


def test_damaged_scores_are_named_and_the_rest_reported(tmp_path: Path):
    run = ScratchRun(tmp_path)
    run.config(["unet", "segformer", "unet3d", "segresnet"])
    for model in ("unet", "segformer", "unet3d", "segresnet"):
        run.succeed(model, shift=1)
    run.put("segformer", artifacts.METRICS_FILE, b"case,patient\ncase_1")
    run.put("unet3d", artifacts.SUMMARY_FILE, b"{")
    metrics = run.store.get_bytes(f"segresnet/seed-0/fold-0/{artifacts.METRICS_FILE}")
    run.put("segresnet", artifacts.METRICS_FILE, b"\n".join(metrics.splitlines()[:-2]))
    report(run.uri)
    rows = {row.model: row for row in leaderboard(run.uri)}
    assert rows["unet"].rank == 1
    assert {m: rows[m].status for m in ("segformer", "unet3d", "segresnet")} == dict.fromkeys(
        ("segformer", "unet3d", "segresnet"), "incomplete"
    )
    assert "segformer/seed-0/fold-0/metrics.csv: columns class" in rows["segformer"].reason
    assert "unet3d/seed-0/fold-0/summary.json: not a readable Summary" in rows["unet3d"].reason
    assert "2 missing (first 'case_3', 'liver')" in rows["segresnet"].reason
    assert "segformer/seed-0/fold-0/metrics.csv" in read(run)


def test_a_run_all_of_whose_files_are_damaged_has_a_report_that_names_them(tmp_path: Path):
    run = ScratchRun(tmp_path, cases=("case_1",))
    models = ("whole", "infinite", "negative", "elsewhere")
    run.config(list(models))
    for model in models:
        run.succeed(model, 1)
    first_row = run.store.get_bytes(f"infinite/seed-0/fold-0/{artifacts.METRICS_FILE}")
    run.put("infinite", artifacts.METRICS_FILE, first_row.replace(b"0.", b"1e9", 1))
    for model, change in {
        "whole": {"scores": {"dice": 9.0}},
        "negative": {"confusion": [[-1, 0, 0], [0, 1, 0], [0, 0, 1]]},
        "elsewhere": {"dataset_uri": "foo://bar"},
    }.items():
        summary = json.loads(run.store.get_bytes(f"{model}/seed-0/fold-0/{artifacts.SUMMARY_FILE}"))
        run.put(model, artifacts.SUMMARY_FILE, json.dumps(summary | change).encode())
    run.put("whole", artifacts.HISTORY_FILE, b"epoch,train_loss,validation_dice\n0,1e308,1\n1,-1e308,1\n")
    run.store.put_bytes(artifacts.ENVIRONMENT_FILE, b'{"a": "\\ud800"}')
    image = artifacts.image_key("case_1", 0)
    open_store(run.dataset_uri).put_bytes(image, nifti_bytes(tmp_path, np.zeros((3, 3, 3), np.int16)))
    report(run.uri)
    page, results = read(run), json.loads(read(run, "results.json"))
    for named in ("dice is 1e9", "confusion.0.0", "must name a store", "environment.json", f"{image}: image has shape"):
        assert named in page
    trainings = {model["model"]: model["trainings"][0] for model in results["models"]}
    assert {name: training["status"] for name, training in trainings.items()} == {
        "whole": "succeeded",
        **dict.fromkeys(models[1:], "incomplete"),
    }
    assert trainings["whole"]["scores"]["dice"] == pytest.approx(results["models"][0]["scores"]["dice"], abs=1e-12)


def test_states_of_trainings_that_left_no_scores(tmp_path: Path):
    run = ScratchRun(tmp_path)
    run.config(["unet", "deeplabv3", "segformer", "fpn"])
    run.succeed("unet")
    run.delete("unet", artifacts.SUMMARY_FILE)
    run.status("deeplabv3", "running")
    run.succeed("fpn")
    run.delete("fpn", artifacts.STATUS_FILE)
    reasons = {row.model: row.reason for row in leaderboard(run.uri)}
    assert "summary.json missing" in reasons["unet"]
    assert "stopped in train: no sign of life since 2026-01-01" in reasons["deeplabv3"]
    assert "never started" in reasons["segformer"]
    assert "status.json missing beside its scores" in reasons["fpn"]
    report(run.uri)
    assert "No model of this run has scores yet" in read(run)


def test_without_recipe_the_models_are_found(tmp_path: Path):
    run = ScratchRun(tmp_path)
    run.succeed("unet", seed=3)
    report(run.uri)
    assert table(run)["unet"]["rank"] == "1"
    assert "config.yaml) is missing" in read(run)


def test_a_run_that_left_nothing_has_a_report_that_says_so(tmp_path: Path):
    uri = artifacts.run_uri(str(tmp_path), "dead-1")
    report(uri)
    store = open_store(uri)
    assert "No results: no model of this run has started." in store.get_bytes("report/index.html").decode()
    assert store.get_bytes("report/leaderboard.csv").decode().startswith(FIRST_COLUMNS)
    with pytest.raises(StageError, match="no model of this run has started"):
        require_success(uri)


def test_damaged_recipe_and_picture_files_stop_nothing(tmp_path: Path):
    run = ScratchRun(tmp_path)
    run.store.put_bytes(artifacts.CONFIG_FILE, b"name: [")
    run.succeed("unet")
    run.put("unet", artifacts.HISTORY_FILE, b"epoch,train_loss\nx,y\n")
    for case in run.cases:
        run.put("unet", artifacts.prediction_key(case), b"no picture")
    run.store.put_bytes(artifacts.ENVIRONMENT_FILE, b"[]")
    report(run.uri)
    page = read(run)
    for damaged in ("config.yaml: cannot be read", "history.csv: not a readable", "environment.json", "No picture: "):
        assert damaged in page
    assert table(run)["unet"]["rank"] == "1"


def test_models_from_scratch_and_from_pretrained_weights_are_ranked_apart(tmp_path: Path):
    run = ScratchRun(tmp_path)
    run.config(["unet", "fpn", "segformer"])
    run.succeed("unet", 1)
    run.succeed("fpn", 0, weights="smp-hub/resnet34.imagenet")
    run.succeed("segformer", 0)
    assert [(row.model, row.rank, row.weights) for row in leaderboard(run.uri)] == [
        ("segformer", 1, "none"),
        ("unet", 2, "none"),
        ("fpn", 1, "smp-hub/resnet34.imagenet"),
    ]


def test_the_page_says_how_each_family_was_trained(tmp_path: Path):
    run = ScratchRun(tmp_path)
    run.config(["unet", "segformer"])
    run.succeed("unet")
    report(run.uri)
    page = read(run)
    assert (
        "sgd, learning rate 0.05, polynomial decay: unet; adamw, learning rate 0.0005, cosine decay: segformer" in page
    )


def test_an_earlier_report_leaves_nothing_of_a_model_that_has_gone(tmp_path: Path):
    run = ScratchRun(tmp_path, cases=("case_1",))
    for model in ("unet", "fpn"):
        run.succeed(model)
    report(run.uri)
    events = f"report/tensorboard/{artifacts.unit_key('fpn', 0, 0)}/events.out.tfevents.report"
    assert run.store.exists(events)
    for item in run.store.list("fpn/"):
        run.store.delete(item.key)
    report(run.uri)
    assert not [item.key for item in run.store.list("report/") if "fpn" in item.key]
    assert run.store.exists(events.replace("fpn", "unet"))
