"""What else than its scores is not the same in two runs: data, settings and software."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from medseg.metrics.aggregate import case_names
from medseg.reporting.facts import Facts, flattened
from medseg.reporting.results import RunResults

_NO_SETTINGS = {"run_id", "store", "workers", "shards", "gate"}  # of a recipe: these shape no scores
_STAMPS = {"started", "resumed"}
_MODELS = "models."


@dataclass(frozen=True)
class Difference:
    """One setting or version; a dash where a run does not have it."""

    what: str
    before: str
    now: str


def differences(earlier: RunResults, later: RunResults) -> Iterator[Difference]:
    """Everything that is known of both runs and not the same, in the order of the recipe."""
    yield from _of(dict(_data(earlier)), dict(_data(later)))
    yield from _of(dict(_settings(earlier)), dict(_settings(later)))
    yield from _of(dict(_software(earlier)), dict(_software(later)))


def changed_settings(earlier: RunResults, later: RunResults, model: str) -> list[str]:
    """Names of the settings that shape a model and are not the same in two runs."""
    before, now = dict(_settings(earlier)), dict(_settings(later))
    names = [one.what for one in _of(before, now)] if before and now else []
    own = f"{_MODELS}{model}"
    return [name for name in names if not name.startswith(_MODELS) or name == own or name.startswith(f"{own}.")]


def _of(before: dict[str, str], now: dict[str, str]) -> Iterator[Difference]:
    for name in dict.fromkeys([*before, *now]):
        if before.get(name) != now.get(name):
            yield Difference(name, before.get(name, "–"), now.get(name, "–"))


def _data(run: RunResults) -> Facts:
    facts: Facts = [("data set", f"{run.dataset.name} {run.dataset.version}")] if run.dataset else []
    return [*facts, ("test cases", str(len(case_names(unit.rows for unit in run.units))))]


def _settings(run: RunResults) -> Facts:
    if not run.recipe:
        return []
    models = {entry.model: entry.set or "as it is" for entry in run.recipe.models}
    settings = flattened({**run.recipe.model_dump(mode="json", exclude=_NO_SETTINGS), "models": models})
    return [(name.replace(" ", "."), value) for name, value in settings]


def _software(run: RunResults) -> Facts:
    return flattened({key: value for key, value in run.environment.items() if key not in _STAMPS})
