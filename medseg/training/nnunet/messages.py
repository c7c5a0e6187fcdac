"""How a process of nnU-Net tells its parent what happened: lines among all else that it prints, and a model file."""

from __future__ import annotations

import json
from typing import Any

MARK = "medseg: "
MODEL_FILE = "model.pt"  # in the results folder: the trained weights and all that predictions need
PARTIAL = ".part"  # ends the name of a checkpoint that is being written


def send(event: str, **content: Any) -> None:
    """Print a message; ``content`` must be plain data."""
    print(MARK + json.dumps({"event": event, **content}), flush=True)


def received(line: str) -> dict[str, Any] | None:
    """The message in a line, None where it is ordinary output."""
    return json.loads(line.removeprefix(MARK)) if line.startswith(MARK) else None
