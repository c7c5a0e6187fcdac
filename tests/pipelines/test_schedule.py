"""Schedules on a server that plays Kubeflow Pipelines: made once, replaced without a gap, mended when interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from medseg.config import Recipe
from pipelines import upload
from pipelines.__main__ import main
from pipelines.package import compile_package
from pipelines.schedule import verbs
from tests.pipelines.kfp_server import KfpServer, RefusedError, Request

Schedule = Callable[..., int]
MONDAYS, FRIDAYS = "schedule.cron=0 0 3 * * 1", "schedule.cron=0 0 3 * * 5"


class Breaking(KfpServer):
    """Gives up after so many changes to recurring runs, until it is mended."""

    changes_left: int | None = None

    def answer(self, request: Request) -> Any:
        if request.method != "GET" and "recurringruns" in request.path and self.changes_left is not None:
            if not self.changes_left:
                raise RefusedError(503, "broken by the test")
            self.changes_left -= 1
        return super().answer(request)


@pytest.fixture
def kfp() -> Iterator[Breaking]:
    with Breaking() as server:
        yield server


PACKAGES: dict[str, bytes] = {}


def compiled_once(recipe: Recipe, path: Path) -> None:
    """Compiling takes most of a call, and always gives the same."""
    content = recipe.to_yaml()
    if content not in PACKAGES:
        compile_package(recipe, path)
        PACKAGES[content] = path.read_bytes()
    path.write_bytes(PACKAGES[content])


@pytest.fixture
def schedule(kfp: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Schedule:
    """Calls a verb on a recipe with a schedule on Mondays."""
    monkeypatch.setattr(upload, "compile_package", compiled_once)

    def call(verb: str, *settings: str, name: str = "weekly") -> int:
        recipe = tmp_path / f"{name}.yaml"
        recipe.write_text(f"{{name: {name}, dataset: {{name: some, source: s3://raw/scans}}, models: [unet]}}")
        given = [text for setting in (MONDAYS, *settings) for text in ("--set", setting)]
        return main(["schedule", verb, str(recipe), *given, "--endpoint", kfp.url])

    return call


def changes(kfp: KfpServer, since: int = 0) -> list[str]:
    """What was changed about recurring runs, in order: create, enable, disable, delete."""
    asked = [one for one in kfp.requests[since:] if "recurringruns" in one.path and one.method != "GET"]
    return ["delete" if one.method == "DELETE" else one.path.partition(":")[2] or "create" for one in asked]


def only(kfp: KfpServer) -> Any:
    (one,) = kfp.recurring_runs.values()
    return one


def test_a_schedule_is_made_as_the_recipe_says(
    kfp: Breaking, schedule: Schedule, capsys: pytest.CaptureFixture[str]
) -> None:
    assert schedule("apply", "cluster.service_account=nightly") == 0
    made = only(kfp)
    assert (made.mode, made.display_name, made.trigger.cron_schedule.cron) == ("ENABLE", "weekly", "0 0 3 * * 1")
    assert (int(made.max_concurrency), made.no_catchup, made.service_account) == (1, True, "nightly")
    assert made.pipeline_version_reference.pipeline_version_id in kfp.versions
    assert kfp.experiments[made.experiment_id].display_name == "weekly"
    said = capsys.readouterr().out
    assert said.startswith("weekly: scheduled, weekly-")
    assert "next start Monday 20" in said


def test_a_second_apply_changes_nothing(kfp: Breaking, schedule: Schedule, capsys: pytest.CaptureFixture[str]) -> None:
    schedule("apply")
    before, asked = dict(kfp.recurring_runs), len(kfp.requests)
    assert schedule("apply") == 0
    assert kfp.recurring_runs == before
    assert all(one.method == "GET" for one in kfp.requests[asked:])
    assert "weekly: unchanged" in capsys.readouterr().out


@pytest.mark.parametrize("setting", [FRIDAYS, "models=[unet, unetpp]", "cluster.service_account=other"])
def test_a_changed_recipe_takes_over_without_a_gap(kfp: Breaking, schedule: Schedule, setting: str) -> None:
    schedule("apply")
    old, asked = only(kfp), len(kfp.requests)
    assert schedule("apply", setting) == 0
    assert changes(kfp, asked) == ["create", "enable", "disable", "delete"]
    assert only(kfp).recurring_run_id != old.recurring_run_id
    assert only(kfp).mode == "ENABLE"


def test_an_old_version_stays_pinned_to_its_schedule(kfp: Breaking, schedule: Schedule) -> None:
    schedule("apply")
    schedule("apply", "models=[unet, unetpp]", name="other")
    versions = {one.pipeline_version_reference.pipeline_version_id for one in kfp.recurring_runs.values()}
    assert len(versions) == 2


def test_what_runs_is_not_ended_by_a_change(
    kfp: Breaking, schedule: Schedule, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule("apply")
    old = only(kfp).recurring_run_id
    run = kfp.tick(old)
    assert run is not None
    schedule("apply", FRIDAYS)
    assert {one.mode for one in kfp.recurring_runs.values()} == {"ENABLE", "DISABLE"}
    assert kfp.recurring_runs[old].mode == "DISABLE"
    assert f"run {run.run_id} of the earlier schedule goes on" in capsys.readouterr().out
    run.state = "SUCCEEDED"
    schedule("apply", FRIDAYS)
    assert only(kfp).recurring_run_id != old


@pytest.mark.parametrize("changes_done", [0, 1, 2, 3])
@pytest.mark.parametrize("setting", [FRIDAYS, MONDAYS])
def test_the_next_apply_mends_what_an_interrupted_one_left(
    kfp: Breaking,
    schedule: Schedule,
    changes_done: int,
    setting: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Between any two calls: from then on there is always one that is on, and in the end one that is as wanted."""
    schedule("apply")
    kfp.changes_left = changes_done
    assert schedule("apply", FRIDAYS) == 1
    assert "503 broken by the test" in capsys.readouterr().err
    assert "may both start runs until this succeeds: python -m pipelines schedule apply" in caplog.text
    assert f"--set '{FRIDAYS}' --endpoint {kfp.url}" in caplog.text  # as it was typed
    assert "ENABLE" in [one.mode for one in kfp.recurring_runs.values()]
    kfp.changes_left = None
    assert schedule("apply", setting) == 0
    assert only(kfp).mode == "ENABLE"
    assert f"schedule.cron={only(kfp).trigger.cron_schedule.cron}" == setting


def test_the_first_schedule_is_there_as_a_whole_or_not_at_all(kfp: Breaking, schedule: Schedule) -> None:
    schedule("apply")
    assert changes(kfp) == ["create"]


def test_two_schedules_of_one_name_are_mended(kfp: Breaking, schedule: Schedule) -> None:
    schedule("apply")
    schedule("apply", name="other")
    for one in kfp.recurring_runs.values():
        one.display_name = "weekly"  # as if two people had applied at the same moment
    assert schedule("apply") == 0
    assert only(kfp).mode == "ENABLE"


def test_recurring_runs_of_others_are_left_alone(kfp: Breaking, schedule: Schedule) -> None:
    schedule("apply")
    only(kfp).description = "made by hand"
    schedule("apply")
    schedule("delete")
    assert only(kfp).description == "made by hand"


def test_a_paused_schedule_stays_paused(kfp: Breaking, schedule: Schedule, capsys: pytest.CaptureFixture[str]) -> None:
    schedule("apply")
    assert schedule("pause") == 0
    assert only(kfp).mode == "DISABLE"
    for setting in (MONDAYS, FRIDAYS):
        capsys.readouterr()
        assert schedule("apply", setting) == 0
        assert only(kfp).mode == "DISABLE"
        assert "it stays paused: python -m pipelines schedule resume" in capsys.readouterr().out
    assert only(kfp).trigger.cron_schedule.cron == "0 0 3 * * 5"


def test_resume_makes_up_for_no_missed_start(kfp: Breaking, schedule: Schedule) -> None:
    """A recurring run that is switched on again starts at once for the last time it missed; a new one does not."""
    schedule("apply")
    old = only(kfp)
    schedule("pause")
    assert schedule("resume") == 0
    new = only(kfp)
    assert new.recurring_run_id != old.recurring_run_id
    assert (new.mode, new.created_at > old.created_at) == ("ENABLE", True)
    assert new.pipeline_version_reference == old.pipeline_version_reference
    assert schedule("apply") == 0
    assert only(kfp) == new


def test_resume_of_what_runs_changes_nothing(
    kfp: Breaking, schedule: Schedule, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule("apply")
    before = dict(kfp.recurring_runs)
    assert schedule("resume") == 0
    assert kfp.recurring_runs == before
    assert "is not paused" in capsys.readouterr().out


def test_delete_waits_for_what_runs(kfp: Breaking, schedule: Schedule, capsys: pytest.CaptureFixture[str]) -> None:
    schedule("apply")
    run = kfp.tick(only(kfp).recurring_run_id)
    assert run is not None
    assert schedule("delete") == 1
    assert only(kfp).mode == "DISABLE"
    assert f"python -m pipelines cancel {run.run_id} --endpoint" in capsys.readouterr().err
    run.state = "FAILED"
    assert schedule("delete") == 0
    assert not kfp.recurring_runs
    assert kfp.runs


def test_a_schedule_that_is_not_there_is_named_with_those_that_are(
    schedule: Schedule, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule("apply", name="nightly")
    for verb in ("pause", "resume", "delete"):
        assert schedule(verb) == 1
        assert "no schedule of weekly in namespace kubeflow; there are: nightly. Make it" in capsys.readouterr().err


def test_list(kfp: Breaking, schedule: Schedule, capsys: pytest.CaptureFixture[str]) -> None:
    main(["schedule", "list", "--endpoint", kfp.url])
    assert capsys.readouterr().out == "no schedule in namespace kubeflow\n"
    for name in ("nightly", "weekly"):
        schedule("apply", name=name)
    schedule("pause")
    capsys.readouterr()
    main(["schedule", "list", "--endpoint", kfp.url])
    weekly, nightly = capsys.readouterr().out.splitlines()
    assert weekly.startswith("weekly  0 0 3 * * 1  paused, weekly-")
    assert nightly.startswith("nightly  0 0 3 * * 1  next start Monday")
    schedule("list")
    assert capsys.readouterr().out.splitlines() == [weekly]


def test_a_cron_on_the_server_that_nobody_can_read_is_named(
    kfp: Breaking, schedule: Schedule, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule("apply")
    only(kfp).trigger.cron_schedule.cron = "@weekly"
    assert main(["schedule", "list", "--endpoint", kfp.url]) == 1
    assert "a schedule's cron on the server, '@weekly': has 1 fields" in capsys.readouterr().err


def test_settings_without_a_recipe_are_refused(kfp: Breaking, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedule", "list", "--set", "name=a", "--endpoint", kfp.url]) == 1
    assert "--set name=a: there is no recipe to change" in capsys.readouterr().err
    assert not kfp.requests


def test_many_schedules_come_in_pages(kfp: Breaking, schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.schedule.recurring.PAGE", 1)
    for name in ("a", "b", "weekly"):
        schedule("apply", name=name)
    assert schedule("pause", name="a") == 0
    assert sorted(one.mode for one in kfp.recurring_runs.values()) == ["DISABLE", "ENABLE", "ENABLE"]


def test_a_start_that_is_due_is_left_to_the_earlier_schedule(
    kfp: Breaking, schedule: Schedule, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule("apply")
    only_then: list[tuple[float, int]] = []
    monkeypatch.setattr(verbs, "_now", lambda: datetime(2026, 11, 23, 2, 59, 55, tzinfo=UTC))  # a Monday
    monkeypatch.setattr(verbs.time, "sleep", lambda seconds: only_then.append((seconds, len(kfp.recurring_runs))))
    schedule("apply", FRIDAYS)
    assert only_then == [(20, 1)]
    assert "a run is due: waiting 20 s for it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("schedule=null", "has no schedule.cron; add it, e.g. --set schedule.cron='0 0 3 * * 1'"),
        ("run_id=fixed", "run_id = 'fixed': every start would write into the same folder"),
        ("dataset.source=/scans", "dataset.source = '/scans' is a folder: upload it"),
        ("schedule.cron=0 0 25 * * 1", "'25' is no hour: must be 0 to 23"),
        ("schedule.cron=0 3 * * 1", "has five fields; Kubeflow Pipelines wants six, seconds first: '0 0 3 * * 1'"),
        ("models=[unett]", "no model is called 'unett'"),
    ],
)
def test_a_recipe_that_cannot_start_again_is_refused_before_anything_is_asked(
    kfp: Breaking, schedule: Schedule, setting: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert schedule("apply", setting) == 1
    assert says in capsys.readouterr().err
    assert not kfp.requests


def test_users_of_a_shared_server_have_their_own_schedules(kfp: Breaking, schedule: Schedule) -> None:
    kfp.multi_user = True
    assert schedule("apply", "cluster.namespace=team-a") == 0
    asked = [one for one in kfp.requests if one.method == "GET" and one.path.endswith("/recurringruns")]
    assert {one.query["namespace"] for one in asked} == {"team-a"}


def test_a_run_that_the_schedule_started_is_found_by_the_name_of_its_recipe(
    kfp: Breaking, schedule: Schedule, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule("apply", name="weekly.MR")
    run = kfp.tick(only(kfp).recurring_run_id)
    assert run is not None
    capsys.readouterr()
    assert main(["status", "weekly.MR", "--endpoint", kfp.url]) == 0
    assert f"{run.display_name}: pending" in capsys.readouterr().out
