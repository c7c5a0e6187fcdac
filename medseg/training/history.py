"""The course of one training: a CSV row and TensorBoard scalars per epoch."""

from __future__ import annotations

import csv
import io
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


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

    Restarted trainings write a further event file; TensorBoard shows both as one curve.
    """

    def __init__(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = tempfile.TemporaryDirectory(prefix="medseg-tensorboard-")
        self._writer = SummaryWriter(self._folder.name)

    def scalars(self, record: EpochRecord) -> None:
        for name in ("learning_rate", "train_loss", "validation_dice"):
            value = getattr(record, name)
            if value is not None:
                self._writer.add_scalar(name, value, record.step)

    def picture(self, name: str, rgb: NDArray[np.uint8], step: int) -> None:
        """(rows, columns, 3) picture."""
        self._writer.add_image(name, rgb, step, dataformats="HWC")

    def files(self) -> list[tuple[str, bytes]]:
        """Key and content of everything written so far."""
        self._writer.flush()
        return [(f"tensorboard/{path.name}", path.read_bytes()) for path in sorted(Path(self._folder.name).iterdir())]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._folder.cleanup()
