"""Ways to Kubeflow Pipelines: an address, tokens, kubectl; and each way that is barred says how to go on."""

from __future__ import annotations

import argparse
import base64
import socket
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.connection import add_arguments, connect, given
from pipelines.errors import ClusterError
from pipelines.proxy import proxy_of
from tests.pipelines.conftest import Command
from tests.pipelines.kfp_server import KfpServer, Request


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def refusal(*arguments: str) -> str:
    with pytest.raises(ClusterError) as error, connect(options(*arguments)) as connection:
        connection.client.list_runs(namespace=connection.namespace)
    return str(error.value)


class TestAddress:
    def test_of_the_variable_that_kfp_reads(self, kfp: KfpServer) -> None:
        with connect(options()) as connection:
            assert (connection.endpoint, connection.version, connection.multi_user) == (kfp.url, "2.17.0", False)
            assert connection.run_url("a-b") == f"{kfp.url}/#/runs/details/a-b"
            assert connection.ui_hint == ""

    def test_pasted_from_the_browser(self, kfp: KfpServer) -> None:
        with connect(options("--endpoint", f"{kfp.url}/#/runs")) as connection:
            assert connection.endpoint == kfp.url

    def test_of_the_ui_in_front(self, kfp: KfpServer) -> None:
        kfp.behind_ui = kfp.multi_user = True
        with connect(options("--namespace", "team")) as connection:
            assert (connection.version, connection.multi_user, connection.namespace) == ("2.17.0", True, "team")

    def test_a_recipe_names_the_namespace_and_an_option_another(self, kfp: KfpServer) -> None:
        with connect(options(), "team") as connection:
            assert connection.namespace == "team"
        with connect(options("--namespace", "mine"), "team") as connection:
            assert connection.namespace == "mine"

    def test_nothing_is_read_from_or_left_in_the_home_folder(
        self, kfp: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        with connect(options()) as connection:
            connection.client.list_runs()
        assert kfp.requests[-1].query["namespace"] == "kubeflow"
        assert list(tmp_path.iterdir()) == []
        assert capfd.readouterr() == ("", "")

    def test_what_was_given_is_repeated_in_advice(self) -> None:
        assert given(options("--namespace", "team", "--context", "lab")) == " --namespace team --context lab"


class TestToken:
    @pytest.mark.parametrize("way", ["--token-file", "KF_PIPELINES_SA_TOKEN_PATH", "MEDSEG_KFP_TOKEN"])
    def test_is_sent(self, kfp: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
        kfp.token = "secret"
        file = tmp_path / "token"
        file.write_text("secret\n")
        if not way.startswith("--"):
            monkeypatch.setenv(way, "secret" if way == "MEDSEG_KFP_TOKEN" else str(file))
        with connect(options(*([way, str(file)] if way.startswith("--") else []))) as connection:
            connection.client.list_runs(namespace="kubeflow")
        assert kfp.requests[-1].headers["authorization"] == "Bearer secret"

    def test_that_was_renewed_is_read_again(self, kfp: KfpServer, tmp_path: Path) -> None:
        kfp.token = "first"
        file = tmp_path / "token"
        file.write_text("first")
        with connect(options("--token-file", str(file))) as connection:
            kfp.token = "second"
            file.write_text("second")
            connection.client.list_runs(namespace="kubeflow")

    def test_that_is_missing_is_asked_for(self, kfp: KfpServer) -> None:
        kfp.token = "secret"
        assert "(401): give a token with --token-file or $MEDSEG_KFP_TOKEN" in refusal()

    def test_file_that_cannot_be_read(self, kfp: KfpServer, tmp_path: Path) -> None:
        assert f"token file {tmp_path / 'none'} cannot be read" in refusal("--token-file", str(tmp_path / "none"))


class TestProxy:
    """The server itself plays the proxy: it is asked for whole addresses, of a host that there is none of."""

    FAR = "http://kubeflow.example"

    def test_of_the_environment_is_used_with_its_login(self, kfp: KfpServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", kfp.url.replace("//", "//ward:p%40ss@"))
        with connect(options("--endpoint", self.FAR)) as connection:
            connection.client.list_runs(namespace="kubeflow")
        assert kfp.requests[-1].headers["host"] == "kubeflow.example"
        login = base64.b64decode(kfp.requests[-1].headers["proxy-authorization"].removeprefix("Basic ")).decode()
        assert login == "ward:p@ss"

    def test_is_passed_by_for_hosts_that_need_none(self, kfp: KfpServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", kfp.url)
        monkeypatch.setenv("NO_PROXY", "cluster.local,.example")
        assert "no answer from http://kubeflow.example (NameResolutionError" in refusal("--endpoint", self.FAR)
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        assert proxy_of("http://ml-pipeline.kubeflow.svc:8888") is None
        with connect(options()) as connection:  # as a port-forward, on this machine
            assert connection.endpoint == kfp.url

    def test_is_named_where_what_it_answers_helps_nobody(self, kfp: KfpServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", kfp.url.replace("//", "//ward:p%40ss@"))
        kfp.refused = 503
        message = refusal("--endpoint", self.FAR)
        assert message.startswith(f"{self.FAR} through the proxy {kfp.url.removeprefix('http://')} refused: 503")
        assert "ss@" not in message

    @pytest.mark.parametrize("proxy", ["127.0.0.1:1", "http://127.0.0.1:1", "socks5://127.0.0.1:1"])
    def test_that_does_not_lead_there_is_named(self, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        message = refusal("--endpoint", self.FAR)
        assert "the proxy of $HTTP_PROXY or $HTTPS_PROXY does not lead there" in message
        assert "$NO_PROXY" in message


class OnePage(KfpServer):
    """Answers every question with the same bytes."""

    page: bytes = b""

    def answer(self, request: Request) -> Any:
        return self.page


class TestBarred:
    @pytest.mark.parametrize("verb", [["status"], ["status", "weekly"], ["cancel", "weekly"], ["schedule", "list"]])
    def test_by_a_login_page_that_is_no_empty_list(self, kfp: KfpServer, command: Command, verb: list[str]) -> None:
        kfp.login = True
        outcome = command(*verb)
        assert outcome.code == 1
        assert "gave a web page instead of an answer" in outcome.told
        assert "give a token (--token-file); cookies of a browser" in outcome.told

    @pytest.mark.parametrize("page", [b"", b"null", b"[]", b"<html>"])
    def test_by_a_page_in_the_place_of_the_server_s_health(self, command: Command, page: bytes) -> None:
        with OnePage() as server:
            server.page = page
            outcome = command("status", "--endpoint", server.url)
        assert (outcome.code, "but not as Kubeflow Pipelines" in outcome.told) == (1, True)

    def test_by_rights(self, kfp: KfpServer) -> None:
        kfp.refused = 403
        assert "does not allow this in namespace team (403): choose another" in refusal("--namespace", "team")

    def test_nobody_listens(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        assert "Connection refused): check --endpoint" in refusal("--endpoint", f"http://127.0.0.1:{port}")

    def test_https_where_http_is_spoken(self, kfp: KfpServer) -> None:
        message = refusal("--endpoint", kfp.url.replace("http:", "https:"))
        assert "no secure connection" in message
        assert "$SSL_CERT_FILE" in message

    def test_another_path(self, kfp: KfpServer) -> None:
        assert "answers, but not as Kubeflow Pipelines" in refusal("--endpoint", f"{kfp.url}/pipeline")

    def test_kubeflow_pipelines_1(self, kfp: KfpServer) -> None:
        kfp.version = "1.8.5"
        assert "is Kubeflow Pipelines 1: version 2 is needed" in refusal()

    def test_an_address_without_its_scheme(self) -> None:
        assert "must read http://host:port" in refusal("--endpoint", "localhost:8080")

    def test_what_the_server_says_is_passed_on(self, kfp: KfpServer) -> None:
        kfp.multi_user = True
        with pytest.raises(ClusterError, match="400 cannot have an empty namespace"), connect(options()) as connection:
            connection.client.runs.run_service_list_runs()


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Plays kubectl: forwards connections to $SERVER_PORT, and ends when ``end`` appears in its folder."""
    for name in ("KF_PIPELINES_ENDPOINT", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    script = tmp_path / "kubectl"
    script.write_text(
        f"#!{sys.executable} -S\n"
        + textwrap.dedent("""\
            import os, pathlib, socket, sys, threading
            folder = pathlib.Path(__file__).parent
            (folder / "arguments").write_text(" ".join(sys.argv[1:]))
            if (folder / "fault").exists():
                sys.exit((folder / "fault").read_text())
            local = int(sys.argv[-1].split(":")[0])
            listener = socket.create_server(("127.0.0.1", local))
            print(f"Forwarding from 127.0.0.1:{local} -> 8888", flush=True)
            def pump(source, sink):
                while data := source.recv(65536):
                    sink.sendall(data)
                sink.close()
            while True:
                caller, _ = listener.accept()
                if (folder / "end").exists():
                    (folder / "end").unlink()
                    sys.exit("error: lost connection to pod")
                print("Handling connection", flush=True)
                server = socket.create_connection(("127.0.0.1", int(os.environ["SERVER_PORT"])))
                for ends in ((caller, server), (server, caller)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()
            """)
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


class TestPortForward:
    @pytest.fixture(autouse=True)
    def _server(self, monkeypatch: pytest.MonkeyPatch, kfp: KfpServer, kubectl: Path) -> None:
        monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)
        monkeypatch.setenv("SERVER_PORT", kfp.url.rsplit(":", 1)[1])

    def test_reaches_the_api_and_says_how_to_reach_its_pages(self, kubectl: Path) -> None:
        with connect(options("--context", "lab", "--namespace", "team")) as connection:
            assert connection.version == "2.17.0"
        assert (kubectl / "arguments").read_text().startswith("--context lab --namespace team port-forward")
        assert connection.run_url("a") == "http://localhost:8080/#/runs/details/a"
        assert connection.ui_hint.startswith(
            "kubectl --context lab --namespace kubeflow port-forward service/ml-pipeli"
        )

    def test_ends_with_the_context(self) -> None:
        with connect(options()) as connection:
            port = int(connection.endpoint.rsplit(":", 1)[1])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))

    def test_is_opened_again_at_the_same_port(self, kubectl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pipelines.port_forward.PAUSE_S", 0.01)
        with connect(options()) as connection:
            (kubectl / "end").touch()
            until = time.monotonic() + 10
            while time.monotonic() < until:
                try:
                    assert connection.client.get("/apis/v2beta1/healthz").status == 200
                    break
                except Exception:
                    time.sleep(0.02)
            assert not (kubectl / "end").exists()
            assert connection.client.get("/apis/v2beta1/healthz").status == 200

    def test_says_what_kubectl_said_without_its_log(self, kubectl: Path) -> None:
        (kubectl / "fault").write_text(
            'E1121 23:53:15 memcache.go:265] "Unhandled"\nerror: context "lab" does not exist'
        )
        message = refusal("--context", "lab")
        assert 'no port-forward to the cluster: error: context "lab" does not exist' in message
        assert "--endpoint" in message
        assert "memcache" not in message

    def test_without_kubectl(self, kubectl: Path) -> None:
        (kubectl / "kubectl").unlink()
        assert "no kubectl on the PATH" in refusal()
