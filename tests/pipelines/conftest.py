"""A Kubeflow Pipelines server of one's own, and the command line in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from pipelines.__main__ import main
from tests.pipelines.kfp_server import KfpServer


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code, its answer, and what it told a person."""

    code: int
    out: str
    told: str


Command = Callable[..., Outcome]


@pytest.fixture
def kfp(monkeypatch: pytest.MonkeyPatch) -> Iterator[KfpServer]:
    """A server at the address that commands find without being told."""
    for name in ("KF_PIPELINES_UI_ENDPOINT", "KF_PIPELINES_SA_TOKEN_PATH", "MEDSEG_KFP_TOKEN", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with KfpServer() as server:
        monkeypatch.setenv("KF_PIPELINES_ENDPOINT", server.url)
        yield server


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Command:
    """Runs ``python -m pipelines`` in this process."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        caplog.clear()
        code = main([*arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err + caplog.text)

    return run
