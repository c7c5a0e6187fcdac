"""What the manifests start in containers, run here as it stands in them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from medseg.cli import _parser
from medseg.storage.embedded import Endpoint, embedded_server
from tests.manifests.conftest import STORE_ADDED, Object, build, find


def container(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = find(objects, kind, name)["spec"]["template"]["spec"]["containers"]
    return found


def make_bucket(folder: Path, endpoint: Endpoint, wait_s: str | None = None) -> subprocess.CompletedProcess[str]:
    """The job's command, with this Python and the script where it is not mounted."""
    objects = build("overlays/kind")
    program, script, wait = container(objects, "Job", "medseg-bucket")["command"]
    assert (program, script) == ("python", "/etc/medseg/bucket/make_bucket.py")
    path = folder / "make_bucket.py"
    path.write_text(find(objects, "ConfigMap", "medseg-bucket")["data"]["make_bucket.py"])
    variables = {
        "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_ACCESS_KEY_ID": endpoint.access_key,
        "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
        "MEDSEG_STORE": "s3://fresh/prefix",
    }
    command = [sys.executable, str(path), wait_s or wait]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=60)


def test_the_bucket_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "buckets"
    with embedded_server(folder) as endpoint:
        first = make_bucket(tmp_path, endpoint)
        assert (first.returncode, first.stdout) == (0, f"Bucket 'fresh' was made at {endpoint.url}\n")
        assert (folder / "fresh").is_dir()
        again = make_bucket(tmp_path, endpoint)
        assert (again.returncode, again.stdout) == (0, f"Bucket 'fresh' is there at {endpoint.url}\n")


def test_a_store_that_stays_away_is_given_up_with_its_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    done = make_bucket(tmp_path, Endpoint(address, "key", "secret"), wait_s="0")
    assert done.returncode != 0
    assert f"no answer from {address}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_refuses_the_keys_is_named(tmp_path: Path) -> None:
    with embedded_server(tmp_path / "buckets") as endpoint:
        done = make_bucket(tmp_path, Endpoint(endpoint.url, "wrong", "wrong"), wait_s="0")
    assert done.returncode != 0
    assert "AWS_ACCESS_KEY_ID" in done.stderr


@pytest.mark.parametrize("name", ["overlays/kind", "overlays/production"])
def test_tensorboard_takes_its_command(name: str) -> None:
    main = container(build(name), "Deployment", "medseg-tensorboard")
    program, *arguments = main["command"]
    assert program == "medseg"
    options = _parser().parse_args(arguments)
    assert (options.host, options.port, options.store) == ("0.0.0.0", 6006, "$(MEDSEG_STORE)")
    assert {"configMapRef": {"name": "medseg-store"}} in main["envFrom"]


def test_the_added_store_accepts_the_keys_of_the_secret(tmp_path: Path) -> None:
    main = container(build(STORE_ADDED), "Deployment", "medseg-store")
    weed = tmp_path / "weed"
    weed.write_text('#!/bin/sh\necho "$@"\n')
    weed.chmod(0o755)
    variables = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "a key",
        "AWS_SECRET_ACCESS_KEY": "100%+/=",
    }
    command = [*main["command"], *main["args"]]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=10)
    assert f"-s3.config={tmp_path}/s3.json" in done.stdout.split()
    (identity,) = json.loads((tmp_path / "s3.json").read_text())["identities"]
    assert identity["credentials"] == [{"accessKey": "a key", "secretKey": "100%+/="}]
    assert identity["actions"] == ["Admin"]
