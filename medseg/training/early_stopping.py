"""Whether training still gets better."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """Remembers the best validation score.

    Attributes:
        patience: validations without improvement after which to stop; None never stops.
    """

    patience: int | None
    best: float = -1.0
    without_improvement: int = 0

    def update(self, score: float) -> bool:
        """Take in a score; True where it is the best so far."""
        if score > self.best:
            self.best, self.without_improvement = score, 0
            return True
        self.without_improvement += 1
        return False

    @property
    def should_stop(self) -> bool:
        return self.patience is not None and self.without_improvement >= self.patience
