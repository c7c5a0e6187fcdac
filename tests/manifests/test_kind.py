"""kind.sh with small programs in the place of docker, kind, kubectl and git, which tell what they were asked."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import kfp
import pytest
import yaml

from medseg.cluster_config import ClusterConfig
from tests.manifests.conftest import MANIFESTS, kubectl

SYSTEM = (
    "bash",
    "env",
    "sed",
    "grep",
    "head",
    "tail",
    "sort",
    "tr",
    "od",
    "awk",
    "dirname",
    "mkdir",
    "seq",
    "date",
    "cat",
    "kill",
)
TELL = '#!/bin/bash\necho "${0##*/} $*" >>"$STATE/calls"\n'
FAKES = {
    "docker": """
case $1 in
  version) echo 28.5.1 ;;
  image) [[ ! -e $STATE/no-image ]] ;;
esac""",
    "kind": """
case $1 in
  version) echo "kind v0.33.0 go1.26.0 linux/amd64" ;;
  get) cat "$STATE/clusters" 2>/dev/null ;;
  create) echo medseg >"$STATE/clusters" ;;
  delete) rm -f "$STATE/clusters" ;;
esac""",
    "git": "echo git version 2.39.5",
    "kubectl": r"""
case "$*" in
  version*) printf 'Client Version: v1.36.1\nKustomize Version: v5.8.0\n' ;;
  *"get deployments"*)
    if [[ -e $STATE/ready ]]; then echo "ml-pipeline 1/1 1 1 2m"; else echo "ml-pipeline 0/1 1 0 5s"; fi
    touch "$STATE/ready" ;;
  *go-template-file=*) all=$*; cat "${all##*go-template-file=}" ;;
  *"apply -f -"*) cat >"$STATE/applied" ;;
  *"get secret medseg-pseudonyms"*) [[ -e $STATE/pseudonyms ]] ;;
  *"create secret generic medseg-pseudonyms"*) cat >"$STATE/pseudonyms" ;;
  *port-forward*) echo $$ >"$STATE/forward"; echo "Forwarding from 127.0.0.1:41234 -> 8333"; exec /bin/sleep 60 ;;
  *MEDSEG_STORE*) printf s3://medseg ;;
  *AWS_REGION*) printf us-east-1 ;;
  *AWS_ACCESS_KEY_ID*) printf the-key ;;
  *AWS_SECRET_ACCESS_KEY*) printf the-secret ;;
esac""",
    "python": """
echo "$MEDSEG_IMAGE $AWS_ENDPOINT_URL $AWS_REGION $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY" >>"$STATE/environment"
[[ $* != *submit* || ! -e $STATE/failing ]]""",
    "sleep": "",
}


@dataclass(frozen=True)
class Machine:
    """A checkout with kind.sh, and programs that write every call into a file."""

    folder: Path

    def kind(self, verb: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.folder / "manifests/kind/kind.sh"), verb]
        variables = {"PATH": str(self.folder / "bin"), "STATE": str(self.folder), "AWS_SESSION_TOKEN": "of another"}
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=30)

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().replace(str(self.folder), "").splitlines() if path.exists() else []

    def replace(self, tool: str, script: str) -> None:
        _program(self.folder / "bin" / tool, script)


def _program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TELL + script + "\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    shutil.copytree(MANIFESTS / "kind", tmp_path / "manifests/kind")
    (tmp_path / "medseg").mkdir()
    (tmp_path / "medseg/__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "bin").mkdir()
    for tool in (*SYSTEM, "rm", "touch"):
        found = shutil.which(tool)
        if found:
            (tmp_path / "bin" / tool).symlink_to(found)
    for tool, script in FAKES.items():
        _program(tmp_path / (".venv/bin" if tool == "python" else "bin") / tool, script)
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("tool", "version", "where"),
    [
        ("docker", "24.0", "docs.docker.com"),
        ("kind", "0.33", "kind.sigs.k8s.io"),
        ("kubectl", "1.32", "kubernetes.io/docs/tasks/tools"),
        ("git", "2.0", "packages"),
    ],
)
def test_a_missing_tool_is_named_with_the_way_to_it(machine: Machine, tool: str, version: str, where: str) -> None:
    (machine.folder / "bin" / tool).unlink()
    done = machine.kind("up")
    assert done.returncode == 1
    assert f"{tool} is needed, version {version} or newer: " in done.stderr
    assert where in done.stderr
    assert not any("create" in call or "apply" in call for call in machine.calls())


@pytest.mark.parametrize(("tool", "answer"), [("kind", "kind v0.9.0"), ("kubectl", "Client Version: v1.29.14")])
def test_an_old_tool_is_refused(machine: Machine, tool: str, answer: str) -> None:
    machine.replace(tool, f"echo '{answer}'")
    done = machine.kind("up")
    assert done.returncode == 1
    assert re.search(rf"{tool} [\d.]+ is too old, [\d.]+ or newer is needed: https://", done.stderr)


def test_a_tool_that_tells_no_version_is_named(machine: Machine) -> None:
    machine.replace("kind", "echo kind of a development branch")
    done = machine.kind("up")
    assert done.returncode == 1
    assert "kind does not tell its version: kind of a development branch" in done.stderr


def test_docker_without_its_daemon_says_what_docker_said(machine: Machine) -> None:
    machine.replace("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    done = machine.kind("up")
    assert done.returncode == 1
    assert "docker does not work: Cannot connect to the Docker daemon" in done.stderr


def test_the_image_is_built_first(machine: Machine) -> None:
    (machine.folder / "no-image").touch()
    done = machine.kind("up")
    assert done.returncode == 1
    assert "there is no image medseg:1.2.3: build it with make images" in done.stderr


def test_up_goes_from_nothing_to_a_benchmark_ready_to_run(machine: Machine) -> None:
    done = machine.kind("up")
    assert done.returncode == 0, done.stderr
    assert "waiting for ml-pipeline" in done.stdout
    order = [
        "kind create cluster --config /manifests/kind/cluster.yaml",
        "kind load docker-image medseg:1.2.3 --name medseg",
        "-k /manifests/kind/kfp/cluster-scoped",
        "-k /manifests/kind/kfp",
        "create secret generic medseg-pseudonyms",
        "delete job medseg-bucket --ignore-not-found",
        "apply -k /manifests/overlays/kind",
        "wait job/medseg-bucket --for condition=complete",
    ]
    calls = machine.calls()
    seen = [next(index for index, call in enumerate(calls) if step in call) for step in order]
    assert seen == sorted(seen)
    assert re.fullmatch("[0-9a-f]{64}", (machine.folder / "pseudonyms").read_text())


def test_a_bucket_that_is_not_made_shows_why(machine: Machine) -> None:
    fake = FAKES["kubectl"].replace(
        "version*)", '*"wait job/"*) exit 1 ;;\n  *logs*) echo no keys for S3 ;;\n  version*)'
    )
    machine.replace("kubectl", fake)
    done = machine.kind("up")
    assert done.returncode == 1
    assert "the bucket was not made: no keys for S3" in done.stderr


def test_up_again_keeps_the_cluster_and_the_key_of_pseudonyms(machine: Machine) -> None:
    machine.kind("up")
    key = (machine.folder / "pseudonyms").read_text()
    again = machine.kind("up")
    assert again.returncode == 0, again.stderr
    assert "the cluster medseg is there" in again.stdout
    assert (machine.folder / "pseudonyms").read_text() == key
    assert len([call for call in machine.calls() if "kind create" in call]) == 1


def test_the_secret_of_the_store_is_a_copy_of_that_of_pipelines(machine: Machine) -> None:
    machine.kind("up")
    template = machine.folder / "manifests/kind/store-secret.gotemplate"
    assert (machine.folder / "applied").read_text() == template.read_text()
    given = ["--from-literal=accesskey=one", "--from-literal=secretkey=two"]
    command = [kubectl(), "create", "secret", "generic", "any", *given, "--dry-run=client", "-o"]
    done = subprocess.run([*command, f"go-template-file={template}"], capture_output=True, text=True, check=True)
    secret = yaml.safe_load(done.stdout)
    assert secret["metadata"]["name"] == ClusterConfig().store_secret
    values = {name: base64.b64decode(value) for name, value in secret["data"].items()}
    assert values == {"AWS_ACCESS_KEY_ID": b"one", "AWS_SECRET_ACCESS_KEY": b"two"}


def test_no_other_cluster_of_the_kubeconfig_is_touched(machine: Machine) -> None:
    for verb in ("up", "run", "down"):
        machine.kind(verb)
    asked = [call for call in machine.calls() if call.startswith("kubectl ") and "version" not in call]
    assert asked
    assert all(call.startswith("kubectl --context kind-medseg --namespace kubeflow ") for call in asked)


def test_run_sends_the_sample_through_the_pipeline_and_fetches_the_report(machine: Machine) -> None:
    done = machine.kind("run")
    assert done.returncode == 0, done.stderr
    sample, upload, submit, fetch = [call for call in machine.calls() if call.startswith("python ")]
    assert sample == "python -m medseg.cli sample /.medseg/kind/sample"
    assert "put_folder" in " ".join(machine.calls())
    assert "s3://medseg/sample" in "\n".join(machine.calls())
    assert upload.startswith("python -c ")
    assert submit.startswith("python -m pipelines submit /pipelines/recipes/smoke.yaml --context kind-medseg")
    run = re.search(r"run_id=(smoke-\d{8}-\d{6})", submit)
    assert run
    assert f"python -m pipelines fetch {run[1]} --output /.medseg/kind/{run[1]}" in fetch
    environment = set((machine.folder / "environment").read_text().splitlines())
    assert "medseg:1.2.3 http://127.0.0.1:41234 us-east-1 the-key the-secret" in environment


def test_the_way_to_the_store_is_closed_again(machine: Machine) -> None:
    machine.kind("run")
    with pytest.raises(ProcessLookupError):
        os.kill(int((machine.folder / "forward").read_text()), 0)


def test_a_failed_step_fails_the_run_and_its_report_is_fetched(machine: Machine) -> None:
    (machine.folder / "failing").touch()
    done = machine.kind("run")
    assert done.returncode == 1
    assert re.search(r"the run smoke-\S+ did not succeed", done.stderr)
    assert "pipelines fetch" in machine.calls()[-1]


def test_a_store_out_of_reach_ends_the_run(machine: Machine) -> None:
    fake = FAKES["kubectl"].replace("*port-forward*) ", '*port-forward*) echo "error: no pod" >&2; exit 1 ;; never) ')
    machine.replace("kubectl", fake)
    done = machine.kind("run")
    assert done.returncode == 1
    assert "the store cannot be reached: error: no pod" in done.stderr


def test_down_removes_the_cluster(machine: Machine) -> None:
    machine.kind("up")
    assert machine.kind("down").returncode == 0
    assert not (machine.folder / "clusters").exists()


def test_versions_of_pipelines_agree() -> None:
    refs = [
        re.findall(r"\?ref=([\d.]+)", path.read_text())
        for path in sorted((MANIFESTS / "kind/kfp").rglob("kustomization.yaml"))
    ]
    assert refs == [[kfp.__version__], [kfp.__version__]]


def test_the_cluster_is_called_what_the_script_calls_it() -> None:
    cluster = yaml.safe_load((MANIFESTS / "kind/cluster.yaml").read_text())
    assert f"CLUSTER={cluster['name']}\n" in (MANIFESTS / "kind/kind.sh").read_text()


def test_shellcheck_finds_nothing() -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not here: apt-get install shellcheck")
    script = str(MANIFESTS / "kind/kind.sh")
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout
