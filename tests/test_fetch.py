"""Files come over HTTP: resumed where they were cut, asked for again, or refused with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medseg import fetch as fetching
from medseg.errors import NotFoundError, StorageFullError, UnreachableError
from medseg.fetch import fetch
from tests.serving import Server

CONTENT = np.random.default_rng(0).bytes(10_000)


def test_a_cut_connection_is_taken_up_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.files["a"], server.cuts = CONTENT, [4000, 5000]
    fetch(server.url("a"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.asked == [0, 4000, 9000]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_server_that_gives_no_parts_starts_again(server: Server, tmp_path: Path) -> None:
    server.files["a"], server.ranges = CONTENT, False
    (tmp_path / "a.part").write_bytes(b"x" * 500)
    fetch(server.url("a"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("part", [CONTENT, CONTENT + b"more"])
def test_a_part_that_is_whole_is_kept_and_one_that_is_longer_is_not(
    server: Server, tmp_path: Path, part: bytes
) -> None:
    server.files["a"] = CONTENT
    (tmp_path / "a.part").write_bytes(part)
    fetch(server.url("a"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert len(server.asked) == (1 if part == CONTENT else 2)


def test_ctrl_c_leaves_a_part_that_the_next_call_goes_on_with(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(fetching.tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            raise KeyboardInterrupt

    server.files["a"] = CONTENT
    with monkeypatch.context() as context:
        context.setattr(fetching, "tqdm", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(server.url("a"), tmp_path / "a")
    assert (tmp_path / "a.part").read_bytes() == CONTENT[:1000]
    fetch(server.url("a"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.asked == [0, 1000]


def test_a_busy_server_is_asked_again_and_one_that_has_nothing_is_not(server: Server, tmp_path: Path) -> None:
    server.files["a"], server.busy = CONTENT, 3
    fetch(server.url("a"), tmp_path / "a")
    with pytest.raises(NotFoundError, match="404"):
        fetch(server.url("b"), tmp_path / "b")
    assert len(server.asked) == 3 + 1 + 1


def test_no_answer_says_how_to_go_on(server: Server, tmp_path: Path) -> None:
    server.files["a"], server.cuts = CONTENT, [3000, 0, 0, 0, 0, 0, 0]
    with pytest.raises(UnreachableError, match="3000 bytes are here, run the same command again"):
        fetch(server.url("a"), tmp_path / "a")


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["a"] = CONTENT
    usage = fetching.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda folder: usage._replace(free=9_999))
    with pytest.raises(StorageFullError, match="needed"):
        fetch(server.url("a"), tmp_path / "a")
    assert not list(tmp_path.iterdir())
