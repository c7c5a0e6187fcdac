"""Finished runs are remembered, and a later run of the same name is held against the last of them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from medseg.artifacts import RunRecord
from medseg.errors import StageError
from medseg.reporting.comparisons import comparisons
from medseg.reporting.leaderboard import rank_models
from medseg.reporting.run_reader import read_run
from medseg.reporting.run_records import record_of, write_record
from medseg.reporting.trend import find_trend
from medseg.stages.report import report, require_success
from medseg.storage import Store, open_store
from tests.reporting.runs import ScratchRun

TEN_CASES = tuple(f"case_{i}" for i in range(10))
GATE = "gate: {fail_if_worse: true}\n"


class Schedule:
    """Runs of one recipe in one store, each a day after the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.days = 0

    def run(
        self, more: str = "", cases: tuple[str, ...] = TEN_CASES, dataset: str = "organs", **shifts: int | None
    ) -> ScratchRun:
        """A finished run with its record; ``shifts`` are voxels that each model misses by, None where it failed."""
        self.days += 1
        run = ScratchRun(self.folder, cases, f"demo-{self.days}", dataset)
        run.config(list(shifts), more=more)
        run.environment(f"2026-01-0{self.days}T00:00:00+00:00")
        for model, shift in shifts.items():
            if shift is None:
                run.status(model, "failed", reason="out of memory")
            else:
                run.succeed(model, shift)
        self.remember(run)
        return run

    def remember(self, run: ScratchRun) -> None:
        results = read_run(run.uri)
        record = record_of(results, rank_models(results, comparisons(results)))
        assert record
        write_record(record, str(self.folder))

    @property
    def records(self) -> Store:
        return open_store(str(self.folder / "leaderboard"))


@pytest.fixture
def schedule(tmp_path: Path) -> Schedule:
    return Schedule(tmp_path)


def summary(run: ScratchRun) -> str:
    report(run.uri)
    return run.store.get_bytes("report/leaderboard.md").decode()


def test_a_finished_run_leaves_one_record_however_often_it_is_reported(schedule: Schedule) -> None:
    run = schedule.run(cases=("case_1", "case_2"), unet=1, fpn=0)
    first = schedule.records.get_bytes("demo-1.json")
    report(run.uri)
    assert [item.key for item in schedule.records.list()] == ["demo-1.json"]
    assert schedule.records.get_bytes("demo-1.json") == first
    record = RunRecord.from_bytes(first, "demo-1.json")
    assert (record.name, record.dataset, record.dataset_version, record.test_cases) == ("demo", "organs", "v1", 2)
    assert [(model.model, model.rank, model.dice) for model in record.models] == [
        ("fpn", 1, 1.0),
        ("unet", 2, pytest.approx(((3 / 4 + 5 / 6) / 2 + 1 / 2) / 2)),  # as moved by one row, half of the cases odd
    ]


def test_a_run_that_is_not_finished_or_without_scores_leaves_none(tmp_path: Path) -> None:
    stopped = ScratchRun(tmp_path, run_id="stopped")
    stopped.config(["unet", "fpn"])
    stopped.succeed("unet")
    report(stopped.uri)
    failed = ScratchRun(tmp_path, run_id="failed")
    failed.config(["unet"])
    failed.status("unet", "failed", reason="out of memory")
    report(failed.uri)
    assert not open_store(str(tmp_path / "leaderboard")).list()


def test_a_model_that_is_worse_in_every_case_is_named_and_one_that_is_equal_is_not(schedule: Schedule) -> None:
    schedule.run(unet=0, fpn=1)
    trend, faults = find_trend(read_run(schedule.run(unet=1, fpn=1).uri))
    assert trend
    assert not faults
    assert trend.runs == {"demo-1": "2026-01-01T00:00:00+00:00"}
    unet, fpn = trend.changes
    assert (unet.before, unet.now, unet.cases) == (1.0, pytest.approx(31 / 48), 10)
    assert unet.p == pytest.approx(2 / 2**10)  # the least that ten cases can give
    assert unet.p_holm == pytest.approx(2 * 2 / 2**10)  # two models were tested
    assert unet.low is not None
    assert unet.high is not None
    assert unet.low <= 31 / 48 - 1 <= unet.high < 0
    assert (fpn.p, fpn.worse, fpn.low, fpn.high) == (1.0, False, 0.0, 0.0)
    assert [change.model for change in trend.worse] == ["unet"]


def test_a_model_is_held_against_the_last_run_that_scored_it(schedule: Schedule) -> None:
    schedule.run(unet=0, fpn=0)
    schedule.run(unet=None, fpn=1)
    trend, _ = find_trend(read_run(schedule.run(unet=1, fpn=1).uri))
    assert trend
    assert [(change.model, change.run_id, change.verdict) for change in trend.changes] == [
        ("unet", "demo-1", "worse"),
        ("fpn", "demo-2", "no significant change"),
    ]
    assert list(trend.runs) == ["demo-2", "demo-1"]


def test_runs_over_another_data_set_are_passed_by(schedule: Schedule) -> None:
    schedule.run(unet=0)
    other = schedule.run(dataset="bones", unet=2)
    assert find_trend(read_run(other.uri)) == (None, [])
    trend, _ = find_trend(read_run(schedule.run(unet=1).uri))
    assert trend
    assert [change.run_id for change in trend.worse] == ["demo-1"]


def test_of_runs_of_one_second_the_greater_id_is_the_later_one(schedule: Schedule) -> None:
    runs = [schedule.run(unet=shift) for shift in (0, 1)]
    for run in runs:
        run.environment("2026-01-01T00:00:00+00:00")
        schedule.remember(run)
    trends = [find_trend(read_run(run.uri))[0] for run in runs]
    assert [list(trend.runs) if trend else [] for trend in trends] == [[], ["demo-1"]]


def test_the_summary_begins_with_what_got_worse(schedule: Schedule) -> None:
    schedule.run(unet=0)
    schedule.records.put_bytes("broken.json", b"{")
    run = schedule.run(unet=1)
    assert summary(run).startswith(
        "# demo\n\n> **Significantly worse than before**:\n>\n"
        "> - unet: Dice 0.6458, was 1.0000 in run demo-1, started 2026-01-01T00:00:00+00:00"
        " (mean over 10 common test cases, p = 0.002 after Holm's correction; spread between"
        " trainings unknown, with one training)\n\n"
        "| Rank |"
    )
    assert "leaderboard/broken.json: " in run.store.get_bytes("report/results.json").decode()


def test_the_gate_fails_a_worse_run_only_where_the_recipe_asks_for_it(
    schedule: Schedule, caplog: pytest.LogCaptureFixture
) -> None:
    schedule.run(unet=0)
    lenient, strict = schedule.run(unet=1), schedule.run(GATE, unet=2)
    with caplog.at_level(logging.WARNING, "medseg"):
        require_success(lenient.uri)
    assert "gate: significantly worse than before" in caplog.text
    with pytest.raises(
        StageError, match=r"(?s)unet: Dice 0\.2917, was 0\.6458 in run demo-2, started 2026-01-02.*gate\."
    ):
        require_success(strict.uri)
    require_success(schedule.run(GATE, unet=2).uri)


def test_runs_that_are_later_or_of_another_name_are_no_predecessors(schedule: Schedule) -> None:
    first = schedule.run("name: other\n", unet=0)
    second = schedule.run(unet=0)
    schedule.run(unet=1)
    assert find_trend(read_run(first.uri)) == (None, [])
    assert find_trend(read_run(second.uri)) == (None, [])


def test_a_deleted_predecessor_is_named_and_the_one_before_is_taken(schedule: Schedule) -> None:
    schedule.run(unet=0)
    deleted = schedule.run(unet=0)
    for item in deleted.store.list():
        deleted.store.delete(item.key)
    trend, (fault,) = find_trend(read_run(schedule.run(unet=1).uri))
    assert trend
    assert list(trend.runs) == ["demo-1"]
    assert "runs/demo-2: finished on 2026-01-01T00:00:00+00:00, but its scores of unet are not there any more" in fault


@pytest.mark.parametrize("damaged", [b"{", b'{"schema_version": 99}', b"\xff"])
def test_a_damaged_record_is_named_and_stops_nothing(schedule: Schedule, damaged: bytes) -> None:
    schedule.run(unet=0)
    schedule.records.put_bytes("broken.json", damaged)
    run = schedule.run(unet=1)
    trend, (fault,) = find_trend(read_run(run.uri))
    assert trend
    assert trend.worse
    assert f"{schedule.records.uri}/broken.json: " in fault
    require_success(run.uri)


def test_what_cannot_be_compared_gets_a_note_and_no_verdict(schedule: Schedule) -> None:
    schedule.run(unet=0, fpn=0)
    later = schedule.run(unet=1, segformer=1)
    other_cases = schedule.run(cases=("other_1", "other_2"), unet=2)
    notes = {run.uri: find_trend(read_run(run.uri))[0] for run in (later, other_cases)}
    found = {uri: {c.model: c.note for c in trend.changes} for uri, trend in notes.items() if trend}
    assert found[later.uri] == {
        "unet": "",
        "segformer": "no earlier run has scores of it",
        "fpn": "no scores in run demo-2",
    }
    assert found[other_cases.uri]["unet"] == "the runs have no test cases in common"
    assert not any(trend.worse for uri, trend in notes.items() if trend and uri != later.uri)


def test_only_the_cases_of_both_runs_are_compared(schedule: Schedule) -> None:
    schedule.run(unet=0)
    trend, _ = find_trend(read_run(schedule.run(cases=("case_1", "case_3", "new_5"), unet=1).uri))
    assert trend
    assert (trend.changes[0].cases, trend.changes[0].p) == (2, 0.5)
    assert trend.changes[0].now == (3 / 4 + 1 / 2) / 2
