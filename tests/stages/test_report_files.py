"""What a report writes beside its page, with numbers that can be checked on paper."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medseg import artifacts
from medseg.metrics.case import METRICS
from medseg.reporting.results_file import Results
from medseg.stages.report import report
from medseg.storage import open_store
from tests.reporting.runs import ScratchRun

FOUR_CASES = ("case_1", "case_2", "case_3", "case_4")
PRINTED = ("leaderboard", "classes", "pairs", "ranks")
FILES = {
    *(
        f"{name}.{end}"
        for name in ("leaderboard", "classes", "pairs", "ranks")
        for end in ("csv", "parquet", "md", "tex")
    ),
    *("cases.csv", "cases.parquet", "results.json", "results.schema.json", "index.html"),
}

Row = dict[str, str]


def files(run: ScratchRun) -> dict[str, bytes]:
    """Everything in the report's folder by its path there."""
    store = open_store(f"{run.uri}/report")
    return {item.key: store.get_bytes(item.key) for item in store.list()}


def rows(run: ScratchRun, name: str, **wanted: str) -> list[Row]:
    """The rows of a CSV table that have these cells."""
    table = csv.DictReader(io.StringIO(run.store.get_bytes(f"report/{name}.csv").decode()))
    return [row for row in table if all(row[key] == value for key, value in wanted.items())]


def one(run: ScratchRun, name: str, **wanted: str) -> Row:
    (row,) = rows(run, name, **wanted)
    return row


def results(run: ScratchRun) -> dict[str, object]:
    found: dict[str, object] = json.loads(run.store.get_bytes("report/results.json"), parse_constant=pytest.fail)
    return found


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> ScratchRun:
    """Five models, two seeds; one failed, one is pretrained; the tumour is absent in cases 2 and 4."""
    run = ScratchRun(tmp_path_factory.mktemp("store"), FOUR_CASES)
    run.config(["good", "twin", "poor", "tuned", "broken"], seeds=(0, 1))
    costs = {"devices": 2, "multiply_adds": 2_500_000_000, "seconds_per_case_p95": 0.75}
    for model, shifts in {"good": (0, 1), "twin": (1, 0), "poor": (2, 3), "tuned": (0, 0)}.items():
        for seed, shift in enumerate(shifts):
            weights = "smp-hub/x" if model == "tuned" else ""
            run.succeed(model, shift, seed, weights, train_peak_bytes=(1 + 2 * seed) * 10**9, **costs)
    for seed in (0, 1):
        run.status("broken", "failed", seed, reason="out of memory: 40 GiB & 5% <asked>")
    report(run.uri)
    return run


def test_every_file_is_there(big: ScratchRun) -> None:
    models = {f"models/{m}/{f}" for m in ("good", "twin", "poor", "tuned") for f in ("metrics.csv", "summary.json")}
    assert {name for name in files(big) if not name.startswith("tensorboard/")} == FILES | models


def test_the_leaderboard_has_scores_intervals_and_costs(big: ScratchRun) -> None:
    good = one(big, "leaderboard", model="good")
    # moved by one row, seed 1 keeps 3 of 4 rows of the liver in odd cases, 5 of 6 in even ones, 1 of 2 of the tumour
    liver, tumour = (7 / 8 + 11 / 12) / 2, 3 / 4
    assert float(good["dice"]) == pytest.approx((liver + tumour) / 2, abs=1e-12)
    # a sample of patients may hold even cases alone, and then no tumour: liver 11/12; or odd ones: (7/8 + 3/4) / 2
    assert float(good["dice_low"]) == pytest.approx((7 / 8 + 3 / 4) / 2, abs=1e-12)
    assert float(good["dice_high"]) == pytest.approx(11 / 12, abs=1e-12)
    assert float(good["dice_spread"]) == pytest.approx((1 - 31 / 48) / math.sqrt(2), abs=1e-12)
    assert float(good["device_hours"]) == pytest.approx((60 + 61) * 2 / 3600, abs=1e-12)
    assert [good[key] for key in ("rank", "rank_low", "rank_high", "gmacs", "train_peak_gb")] == [
        "1",
        "1",
        "1",
        "2.5",
        "3.0",
    ]
    assert [good[key] for key in ("mean_rank", "seconds_per_case_p95", "absence_specificity")] == ["1.5", "0.75", "1.0"]


def test_ranks_are_shared_by_equals_and_apart_for_pretrained_models(big: ScratchRun) -> None:
    ranked = [(row["model"], row["rank"], row["pareto"]) for row in rows(big, "leaderboard")]
    assert ranked == [
        ("good", "1", "True"),
        ("twin", "1", "True"),
        ("poor", "3", "False"),
        ("tuned", "1", "True"),  # perfect and as cheap, but it beats only pretrained models
        ("broken", "", ""),
    ]


def test_classes_count_what_is_absent_and_pool_voxels(big: ScratchRun) -> None:
    liver, tumour = (one(big, "classes", model="good", **{"class": name}) for name in ("liver", "tumour"))
    assert (tumour["absent"], tumour["absence_specificity"], tumour["undefined_dice"]) == ("4", "1.0", "4")
    assert (liver["absent"], liver["absence_specificity"], liver["undefined_dice"]) == ("0", "", "0")
    assert float(liver["pooled_dice"]) == pytest.approx(2 * (160 + 128) / (320 + 320), abs=1e-12)
    assert tumour["lesions_found"] == ""
    assert not rows(big, "classes", model="broken")


def test_pairs_tell_equals_from_others(big: ScratchRun) -> None:
    equal = one(big, "pairs", metric="dice", first="good", second="twin")
    apart = one(big, "pairs", metric="dice", first="good", second="poor")
    assert (equal["difference"], equal["p"], equal["significant"]) == ("0.0", "1.0", "False")
    assert float(apart["difference"]) == pytest.approx(79 / 96 - 23 / 96, abs=1e-12)
    assert float(apart["p"]) == 2 / 2**4  # all four cases favour one model: the least that four cases can give
    assert not rows(big, "pairs", group="pretrained")


def test_ranks_have_every_metric_and_how_often_each_rank_was_reached(big: ScratchRun) -> None:
    poor = one(big, "ranks", metric="dice", model="poor")
    assert (poor["rank"], poor["share_rank_1"], poor["share_rank_3"]) == ("3", "0.0", "1.0")
    tuned = one(big, "ranks", metric="dice", model="tuned")
    assert (tuned["group"], tuned["share_rank_1"], tuned["share_rank_2"]) == ("pretrained", "1.0", "")
    assert {row["metric"] for row in rows(big, "ranks")} == {"dice", "nsd", "hd95_mm"}


def test_cases_are_one_row_per_model_case_and_class_averaged_over_seeds(big: ScratchRun) -> None:
    assert len(rows(big, "cases", model="good")) == 4 * 2
    odd = one(big, "cases", model="good", case="case_1", **{"class": "liver"})
    assert (odd["patient"], float(odd["dice"])) == ("patient_case_1", 7 / 8)
    absent = one(big, "cases", model="good", case="case_2", **{"class": "tumour"})
    assert (absent["dice"], absent["specificity"]) == ("", "1.0")
    own = big.store.get_bytes("report/models/good/metrics.csv").decode()
    assert list(csv.DictReader(io.StringIO(own))) == rows(big, "cases", model="good")


def test_parquet_holds_what_csv_holds(big: ScratchRun) -> None:
    for name in (*PRINTED, "cases"):
        table = pq.read_table(io.BytesIO(big.store.get_bytes(f"report/{name}.parquet"))).to_pylist()
        cells = [{key: "" if value is None else str(value) for key, value in row.items()} for row in table]
        assert cells == rows(big, name)


def test_results_json_says_everything_and_keeps_to_its_schema(big: ScratchRun) -> None:
    text = big.store.get_bytes("report/results.json")
    found = Results.model_validate_json(text)
    assert found.to_bytes() == text
    assert json.loads(big.store.get_bytes("report/results.schema.json")) == Results.model_json_schema()
    assert (found.schema_version, found.run_id, found.name, found.data.classes) == (
        1,
        "demo-1",
        "demo",
        ["liver", "tumour"],
    )
    models = {model.model: model for model in found.models}
    assert models["good"].scores["dice"] == pytest.approx(79 / 96)
    assert set(models["good"].scores) == set(METRICS)
    assert [training.status for training in models["broken"].trainings] == ["failed", "failed"]
    assert models["broken"].scores["dice"] is None
    assert len(found.pairs) == len(rows(big, "pairs"))
    assert {(ranking.group, ranking.metric) for ranking in found.rankings} == {
        (group, metric) for group in ("scratch", "pretrained") for metric in ("dice", "nsd", "hd95_mm")
    }
    assert json.loads(big.store.get_bytes("report/models/good/summary.json")) == models["good"].model_dump(mode="json")


def test_markdown_and_latex_carry_the_same_rows(big: ScratchRun) -> None:
    summary = big.store.get_bytes("report/leaderboard.md").decode()
    assert "0.8229 (0.8125 to 0.9167)" in summary
    assert "- **broken** failed: seed 0 fold 0, seed 1 fold 0: out of memory: 40 GiB & 5% &lt;asked>" in summary
    assert "0.8229 (0.8125 to 0.9167)" in big.store.get_bytes("report/leaderboard.tex").decode()
    assert re.search(r"pretrained weights & HD95 \(mm\) & tuned", big.store.get_bytes("report/ranks.tex").decode())


def test_two_reports_are_equal_byte_for_byte_but_for_the_time_stamp(big: ScratchRun) -> None:
    first = files(big)
    report(big.uri)
    second = files(big)
    assert first["index.html"].count(b"<time ") == 1
    (made,) = re.findall(rb'<time datetime="(.*?)"', first["index.html"])
    assert json.loads(first["results.json"])["made"] == made.decode()
    stamps = {"index.html": b"<time ", "results.json": b'"made": '}
    for name, data in first.items():
        lines = zip(data.splitlines(), second[name].splitlines(), strict=True)
        differing = [line for line, other in lines if line != other]
        assert all(stamps.get(name, b"nowhere") in line for line in differing), name


def test_a_single_case_of_a_single_model(tmp_path: Path) -> None:
    run = ScratchRun(tmp_path, cases=("case_1",))
    run.config(["unet"])
    run.succeed("unet", shift=1)
    report(run.uri)
    row = one(run, "leaderboard")
    assert float(row["dice"]) == (3 / 4 + 1 / 2) / 2
    assert [row[key] for key in ("rank", "dice_low", "dice_high", "dice_spread")] == ["1", "", "", ""]
    assert rows(run, "pairs") == []
    assert results(run)["pairs"] == []


def test_scores_that_are_no_numbers_end_as_null_and_damage_is_named(tmp_path: Path) -> None:
    run = ScratchRun(tmp_path)
    run.config(["unet", "fpn", "segformer"])
    for model in ("unet", "fpn", "segformer"):
        run.succeed(model)
    metrics = run.store.get_bytes(f"unet/seed-0/fold-0/{artifacts.METRICS_FILE}").decode()
    header, *lines = metrics.splitlines()
    nsd = header.split(",").index("nsd")
    emptied = [",".join("nan" if i == nsd else cell for i, cell in enumerate(line.split(","))) for line in lines]
    run.put("unet", artifacts.METRICS_FILE, "\n".join([header, *emptied]).encode())
    run.put("fpn", artifacts.METRICS_FILE, metrics.replace("1.0", "one").encode())
    run.put("segformer", artifacts.SUMMARY_FILE, b"{")
    report(run.uri)
    assert one(run, "leaderboard", model="unet")["nsd"] == ""
    found = Results.model_validate_json(run.store.get_bytes("report/results.json"))
    assert {model.model: model.status for model in found.models} == {
        "unet": "succeeded",
        "fpn": "incomplete",
        "segformer": "incomplete",
    }
    assert [fault for fault in found.faults if "fpn/seed-0/fold-0/metrics.csv, line 2" in fault]
    assert [fault for fault in found.faults if "segformer/seed-0/fold-0/summary.json" in fault]


def test_a_run_that_left_nothing_has_empty_tables(tmp_path: Path) -> None:
    run = ScratchRun(tmp_path)
    report(run.uri)
    assert set(files(run)) >= FILES
    assert rows(run, "leaderboard") == rows(run, "cases") == []
    assert results(run)["models"] == []
