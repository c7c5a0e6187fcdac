"""The nouns of a report: a run, its trainings and what came of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from medseg import artifacts
from medseg.artifacts import Dataset, Plan, Splits, Status, Summary
from medseg.config import Recipe
from medseg.metrics.table import ScoreRow
from medseg.types import Case

State = Literal["succeeded", "failed", "incomplete"]


@dataclass(frozen=True)
class HistoryPoint:
    """One epoch of one training.

    Attributes:
        train_loss: None where it is not finite.
        validation_dice: None where the epoch was not validated.
    """

    epoch: int
    train_loss: float | None
    validation_dice: float | None


@dataclass(frozen=True)
class UnitResult:
    """One training of one model and what came of it.

    Attributes:
        uri: its folder in the store.
        reason: why it is not ``succeeded``, else empty.
        rows: its scores; empty where they are missing, damaged or do not cover the test cases.
    """

    model: str
    seed: int
    fold: int
    uri: str
    state: State
    reason: str
    status: Status | None = None
    summary: Summary | None = None
    rows: list[ScoreRow] = field(default_factory=list)
    history: list[HistoryPoint] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{self.model} seed {self.seed} fold {self.fold}"


@dataclass(frozen=True)
class RunResults:
    """A run as the store shows it; what could not be read is None or empty and named in ``faults``.

    Attributes:
        units: in the recipe's order of models, then by seed and fold.
    """

    run_uri: str
    recipe: Recipe | None
    environment: dict[str, Any]
    units: list[UnitResult]
    dataset: Dataset | None
    dataset_uri: str | None
    cases: list[Case]
    plan: Plan | None
    splits: Splits | None
    faults: list[str]

    @property
    def run_id(self) -> str:
        return artifacts.run_id(self.run_uri)

    @property
    def title(self) -> str:
        """Name of the recipe; the run's id where that is not known."""
        return self.recipe.name if self.recipe else self.run_id

    @property
    def started(self) -> str:
        """UTC, ISO 8601; empty where the run does not say."""
        return str(self.environment.get("started", ""))

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(unit.model for unit in self.units))

    @property
    def scored_models(self) -> list[str]:
        """Those that have scores of any training."""
        return list(dict.fromkeys(unit.model for unit in self.units if unit.rows))

    def of_model(self, model: str) -> list[UnitResult]:
        return [unit for unit in self.units if unit.model == model]

    def repeats(self, model: str) -> list[list[ScoreRow]]:
        """The rows of each of its trainings that has scores."""
        return [unit.rows for unit in self.of_model(model) if unit.rows]
