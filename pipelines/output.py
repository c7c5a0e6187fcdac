"""What of a local run a person wants to read: our own lines, without the executor's bookkeeping."""

from __future__ import annotations

import re
from io import TextIOBase
from typing import TextIO

_BOOKKEEPING = re.compile(r"Looking for component|Loading KFP component|Found image|Streamed logs:|^-+$")
_PREFIX = re.compile(r"\[KFP Executor [\d :,-]+ (?:INFO|WARNING|ERROR)\]: ")
_COLOURS = re.compile(r"\x1b\[\d+m")


class TaskOutput(TextIOBase):
    """Passes lines on to a terminal and leaves out the executor's input as JSON and the list of artifacts."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._line = ""
        self._in_json = False
        self._in_outputs = False

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if self._wanted(_COLOURS.sub("", line)):
                self._terminal.write(_PREFIX.sub("", line) + "\n")
        return len(text)

    def flush(self) -> None:
        self._terminal.flush()

    def _wanted(self, line: str) -> bool:
        if "Got executor_input:" in line:
            self._in_json = True
            return False
        if self._in_json:
            # the dump is indented by the runner's four spaces, its last line is the closing brace alone
            self._in_json = line != "    }"
            return False
        if " outputs:" in line and " - INFO - Task " in line:
            self._in_outputs = True
            return False
        self._in_outputs = self._in_outputs and line.startswith("    ")
        return bool(line.strip()) and not self._in_outputs and not _BOOKKEEPING.search(line)
