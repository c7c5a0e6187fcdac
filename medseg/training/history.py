"""The course of one training: a CSV row and TensorBoard scalars per epoch."""

from __future__ import annotations

import csv
import io
import math
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

MOST_PICTURES = 20  # of a training: TensorBoard shows ten, and every epoch uploads the whole file


@dataclass(frozen=True)
class EpochRecord:
    """One row of ``history.csv``; ``elapsed_s`` counts all sessions of this training."""

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    validation_dice: float | None
    seconds: float
    elapsed_s: float


def to_csv(records: list[EpochRecord]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(EpochRecord)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(record) for record in records)
    return text.getvalue().encode()


def from_csv(data: bytes) -> list[EpochRecord]:
    """What ``to_csv`` wrote."""
    rows = csv.DictReader(io.StringIO(data.decode()))
    return [EpochRecord(**{name: _number(name, text) for name, text in row.items()}) for row in rows]


def _number(name: str, text: str) -> Any:
    if not text:
        return None
    return int(text) if name in ("epoch", "step") else float(text)


class TensorBoardLog:
    """Event files of one training in a scratch folder that goes when the context ends.

    Restarted trainings write a further event file; TensorBoard shows both as one curve, without what the first one
    did after the checkpoint from which the second one goes on.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="medseg-tensorboard-")
        self._writer: SummaryWriter | None = None
        self._next_picture = 0.0

    def scalars(self, record: EpochRecord, validation_dice: Mapping[str, float]) -> None:
        """The epoch's row, and ``validation_dice/<class>`` for every class that validation defines."""
        values = {name: getattr(record, name) for name in ("learning_rate", "train_loss", "validation_dice")}
        values |= {f"validation_dice/{name}": value for name, value in validation_dice.items()}
        for name, value in values.items():
            if value is not None and not math.isnan(value):
                self._at(record.step).add_scalar(name, value, record.step)

    def picture(self, name: str, rgb: NDArray[np.uint8], step: int, used: float) -> None:
        """Show a (rows, columns, 3) picture, unless one was shown a moment ago.

        Args:
            used: part of the training's budget, 0 to 1.
        """
        if used >= self._next_picture:
            self._at(step).add_image(name, rgb, step, dataformats="HWC")
            self._next_picture = used + 1 / MOST_PICTURES

    def files(self) -> list[tuple[str, bytes]]:
        """Key and content of everything written so far."""
        if self._writer:
            self._writer.flush()
        return [(f"tensorboard/{path.name}", path.read_bytes()) for path in sorted(Path(self._folder.name).iterdir())]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer:
            self._writer.close()
        self._folder.cleanup()

    def _at(self, step: int) -> SummaryWriter:
        """The writer; its file begins by taking back what an earlier file says about this step and later ones."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(self._folder.name, purge_step=step)
        return self._writer
