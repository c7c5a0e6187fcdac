"""The doctor's findings on healthy and broken clusters, over a real HTTP server each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
import yaml

from medseg.storage.embedded import embedded_server
from pipelines.__main__ import main
from pipelines.doctor.image import full_name
from pipelines.doctor.names import RIGHTS
from pipelines.doctor.own import BUCKET_JOB, TENSORBOARD
from tests.manifests.conftest import MANIFESTS, ROOT, find, kustomize
from tests.pipelines.kfp_server import KfpServer
from tests.pipelines.kubernetes_server import KubernetesServer, Manifest, kubernetes_serving, manifest, node
from tests.pipelines.registry_server import Registry, registry_serving

GPU = "nvidia.com/gpu"
KUEUE = "kueue.x-k8s.io/v1beta2"
PATCHED = "spec: {templateDefaults: {retryStrategy: {retryPolicy: Always, limit: 0}}}"
SHIPPED = "spec: {templateDefaults: {retryStrategy: {retryPolicy: OnError, limit: 2}}}"

Doctor = Callable[..., tuple[int, dict[str, str]]]


def job(**conditions: str) -> Manifest:
    return manifest("Job", "medseg-bucket", api="batch/v1", status=having(**conditions))


def tensorboard(**conditions: str) -> Manifest:
    return manifest("Deployment", "medseg-tensorboard", api="apps/v1", status=having(**conditions))


def having(**conditions: str) -> Manifest:
    return {"conditions": [{"type": kind.title(), "status": value} for kind, value in conditions.items()]}


def waiting(name: str, reason: str) -> Manifest:
    """A pod of the manifests whose container does not start."""
    state = {"waiting": {"reason": reason, "message": "no such host"}}
    labels = {"labels": {"app.kubernetes.io/name": name}}
    return manifest("Pod", f"{name}-1", metadata=labels, status={"containerStatuses": [{"state": state}]})


def healthy() -> list[Manifest]:
    return [
        manifest("Namespace", "kubeflow", namespace=None),
        manifest("Service", "ml-pipeline"),
        manifest("ServiceAccount", "medseg-runner"),
        manifest("Secret", "medseg-s3", data={"AWS_ACCESS_KEY_ID": "c2VjcmV0", "AWS_SECRET_ACCESS_KEY": "c2VjcmV0"}),
        manifest("Secret", "medseg-pseudonyms", data={"key": "c2VjcmV0"}),
        manifest("ConfigMap", "medseg-store", data={"AWS_ENDPOINT_URL": "http://seaweedfs.kubeflow:9000"}),
        manifest("ConfigMap", "workflow-controller-configmap", data={"workflowDefaults": PATCHED}),
        job(complete="True"),
        tensorboard(available="True"),
        node("cpu-1"),
        node("gpu-1", **{GPU: "4"}),
        node("gpu-2", **{GPU: "2"}),
    ]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesServer]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with kubernetes_serving(healthy()) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
        yield server


@pytest.fixture
def kfp() -> Iterator[KfpServer]:
    with KfpServer() as server:
        yield server


@pytest.fixture
def doctor(cluster: KubernetesServer, kfp: KfpServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Calls it on a recipe and gives exit status and lines by their subject."""

    def call(*settings: str, arguments: tuple[str, ...] = ()) -> tuple[int, dict[str, str]]:
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text("{name: trial, dataset: {name: some, source: s3://raw/scans}, models: [unet, unet3d]}")
        given = [text for setting in settings for text in ("--set", setting)]
        code = main(["doctor", str(recipe), *given, "--endpoint", kfp.url, *arguments])
        lines = capsys.readouterr().out.splitlines()
        return code, {line[9:].partition(": ")[0]: line for line in lines[:-1]} | {"sum": lines[-1]}

    return call


def drop(cluster: KubernetesServer, kind: str, name: str) -> None:
    cluster.manifests = [m for m in cluster.manifests if (m["kind"], m["metadata"]["name"]) != (kind, name)]


def put(cluster: KubernetesServer, changed: Manifest) -> None:
    drop(cluster, changed["kind"], changed["metadata"]["name"])
    cluster.manifests.append(changed)


def test_a_healthy_cluster_fails_nowhere(doctor: Doctor) -> None:
    code, lines = doctor("resources.gpus=1")
    assert code == 0, lines
    assert " 0 warning, 0 failed, 1 skipped" in lines["sum"]
    assert lines["bucket"].startswith("skipped  bucket: this machine has no keys for s3://medseg; only pods can tell")
    assert lines[GPU] == f"ok       {GPU}: 6 allocatable on 2 nodes"
    assert lines["room"].endswith("a node is large enough for a pod of data, unet, unet3d")


def test_values_of_secrets_are_never_shown(doctor: Doctor) -> None:
    _, lines = doctor()
    assert "c2VjcmV0" not in str(lines)
    assert "has AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in lines["secret medseg-s3"]


def test_without_a_recipe_the_cluster_alone_is_looked_at(
    cluster: KubernetesServer, kfp: KfpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--endpoint", kfp.url]) == 0
    assert f"the nodes offer {GPU} (6)" in capsys.readouterr().out


def test_no_kubeconfig(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    code, lines = doctor()
    assert code == 1
    assert f"no kubeconfig to reach a cluster with, in {tmp_path / 'none'}" in lines["cluster"]
    assert "; set KUBECONFIG to the file" in lines["cluster"]
    unasked = next(line for line in lines.values() if line.endswith("only the cluster knows, and it was not reached"))
    assert unasked.startswith("skipped  place of pods, retries, namespace, service account, ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "{a: [",
        "clusters: [{name: t, cluster: {server: 'https://a', certificate-authority-data: ???}}]\ncurrent-context: t\n"
        "users: [{name: t, user: {}}]\ncontexts: [{name: t, context: {cluster: t, user: t}}]",
    ],
)
def test_a_damaged_kubeconfig(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "damaged").write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "damaged"))
    code, lines = doctor()
    assert code == 1
    assert f"no kubeconfig to reach a cluster with, in {tmp_path / 'damaged'} (" in lines["cluster"]


def test_a_context_that_is_not_there(doctor: Doctor) -> None:
    _, lines = doctor(arguments=("--context", "tset"))
    assert lines["cluster"] == "failed   cluster: the kubeconfig has no context 'tset'; choices: test, expired"


def test_an_expired_token(doctor: Doctor) -> None:
    _, lines = doctor(arguments=("--context", "expired"))
    assert "refused the credentials of context 'expired': the token has expired or is wrong" in lines["cluster"]
    assert "; log in again, until `kubectl get namespaces` answers" in lines["cluster"]


def test_a_cluster_that_is_down(doctor: Doctor, cluster: KubernetesServer, caplog: pytest.LogCaptureFixture) -> None:
    cluster.http.shutdown()
    cluster.http.server_close()
    code, lines = doctor()
    assert code == 1
    assert f"no answer from {cluster.url}" in lines["cluster"]
    assert "Connection refused" in lines["cluster"]
    assert not caplog.text


@pytest.mark.parametrize("page", [b"<html>Log in</html>", b"", b"[]"])
def test_something_else_at_the_address_of_the_cluster(doctor: Doctor, cluster: KubernetesServer, page: bytes) -> None:
    cluster.page = page
    code, lines = doctor()
    assert code == 1
    assert "does not answer /version as Kubernetes does" in lines["cluster"]
    assert "check the server's address in the kubeconfig" in lines["cluster"]


def test_a_cluster_behind_a_proxy(doctor: Doctor, cluster: KubernetesServer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(os.environ["KUBECONFIG"])
    path.write_text(path.read_text().replace(cluster.url, "http://cluster.example"))
    assert "no answer from http://cluster.example" in doctor()[1]["cluster"]
    monkeypatch.setenv("HTTP_PROXY", cluster.url)
    assert doctor()[1]["cluster"] == "ok       cluster: Kubernetes v1.36.1 at http://cluster.example, context test"
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1")
    assert "unsupported scheme socks5" in doctor()[1]["cluster"]


def test_a_cluster_that_does_not_tell_its_version_is_looked_at(doctor: Doctor, cluster: KubernetesServer) -> None:
    cluster.forbidden = {"version"}
    code, lines = doctor()
    assert code == 0
    assert lines["cluster"].startswith("warning  cluster: does not tell its version: this user lacks a right")
    assert lines["namespace"] == "ok       namespace: kubeflow"


def test_a_user_without_rights_learns_which_are_missing(doctor: Doctor, cluster: KubernetesServer) -> None:
    cluster.forbidden = {"nodes", "secrets", "subjectaccessreviews", "namespaces"}
    code, lines = doctor("resources.gpus=1")
    assert code == 0
    for subject, resource in {"GPUs": "nodes", "room on nodes": "nodes", "image": "nodes"}.items():
        assert f'this user lacks a right: {resource} is forbidden: User "jane"' in lines[subject]
    assert lines["rights of the service account"].startswith("skipped")


@pytest.mark.parametrize(
    ("kind", "name", "subject", "says"),
    [
        ("Namespace", "kubeflow", "namespace", "failed   namespace: there is no 'kubeflow'; set cluster.namespace"),
        ("ServiceAccount", "medseg-runner", "service account medseg-runner", "is not in namespace kubeflow"),
        ("Secret", "medseg-s3", "secret medseg-s3", "kubectl -n kubeflow create secret generic medseg-s3 --from-lit"),
        ("Secret", "medseg-pseudonyms", "secret medseg-pseudonyms", "warning  secret medseg-pseudonyms: is missing"),
        ("ConfigMap", "medseg-store", "config map medseg-store", "warning  config map medseg-store: is missing"),
        ("ConfigMap", "workflow-controller-configmap", "retries", "warning  retries: namespace kubeflow has no"),
        ("Job", "medseg-bucket", "job medseg-bucket", "no pod has tried the bucket; kubectl apply -k manifests/"),
        ("Deployment", "medseg-tensorboard", "TensorBoard", "no deployment medseg-tensorboard; kubectl apply -k man"),
    ],
)
def test_what_is_missing_is_named_with_its_mend(
    doctor: Doctor, cluster: KubernetesServer, kind: str, name: str, subject: str, says: str
) -> None:
    drop(cluster, kind, name)
    code, lines = doctor()
    assert says in lines[subject]
    assert code == lines[subject].startswith("failed")


def test_a_wrong_namespace_has_none_of_the_names(doctor: Doctor) -> None:
    _, lines = doctor(arguments=("--namespace", "team-a"))
    assert "there is no 'team-a'" in lines["namespace"]
    assert "is not in namespace team-a" in lines["secret medseg-s3"]


def test_a_server_without_users_makes_pods_in_its_own_namespace_alone(doctor: Doctor, kfp: KfpServer) -> None:
    assert "place of pods" not in doctor()[1]
    code, lines = doctor(arguments=("--namespace", "team-a"))
    line = lines["place of pods"]
    assert code == 1
    assert line.startswith("failed   place of pods: namespace team-a has no service ml-pipeline")
    kfp.multi_user = True
    assert "place of pods" not in doctor(arguments=("--namespace", "team-a"))[1]


def test_the_manifests_make_what_the_doctor_looks_for(doctor: Doctor, cluster: KubernetesServer) -> None:
    objects = kustomize(MANIFESTS / "overlays" / "gpu")
    for kind, name in (("Job", BUCKET_JOB), ("Deployment", TENSORBOARD)):
        template = find(objects, kind, name)["spec"]["template"]
        assert template["metadata"]["labels"]["app.kubernetes.io/name"] == name
    for made in objects:
        if made["kind"] in ("ServiceAccount", "ConfigMap", "ResourceQuota", "LimitRange"):
            put(cluster, made)
    patch = yaml.safe_load((MANIFESTS / "kfp" / "workflow-controller-patch.yaml").read_text())
    put(cluster, manifest("ConfigMap", "workflow-controller-configmap", data=patch["data"]))
    code, lines = doctor("resources.gpus=1")
    assert code == 0
    assert " 0 warning, 0 failed, 1 skipped" in lines["sum"]
    assert lines["quota medseg"] == "ok       quota medseg: leaves room for each pod"


def test_the_manifests_grant_the_rights_that_the_doctor_asks_for() -> None:
    objects = yaml.safe_load_all((MANIFESTS / "base" / "access.yaml").read_text())
    (rules,) = (one["rules"] for one in objects if one["kind"] == "Role")
    granted = {
        (group, resource, name, verb)
        for rule in rules
        for group, resource, name, verb in product(
            rule["apiGroups"], rule["resources"], rule.get("resourceNames", [""]), rule["verbs"]
        )
    }
    assert set(RIGHTS) <= granted


def test_a_secret_with_other_keys_lists_them(doctor: Doctor, cluster: KubernetesServer) -> None:
    put(cluster, manifest("Secret", "medseg-s3", data={"accesskey": "", "secretkey": ""}))
    _, lines = doctor()
    assert "lacks AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY; it has accesskey, secretkey" in lines["secret medseg-s3"]


def test_a_key_of_pseudonyms_under_another_name_is_never_made_anew(doctor: Doctor, cluster: KubernetesServer) -> None:
    put(cluster, manifest("Secret", "medseg-pseudonyms", data={"secret": "c2VjcmV0"}))
    line = doctor()[1]["secret medseg-pseudonyms"]
    assert line.startswith("failed   secret medseg-pseudonyms: lacks key; it has secret; add it: kubectl")
    assert "create" not in line


def test_certificates_of_the_store(doctor: Doctor, cluster: KubernetesServer) -> None:
    lines = doctor("cluster.store_ca=medseg-ca")[1]
    assert lines["config map medseg-ca"].endswith("; kubectl -n kubeflow create configmap medseg-ca --from-file=ca.crt")
    put(cluster, manifest("ConfigMap", "medseg-ca", data={"root.pem": ""}))
    lacking = doctor("cluster.store_ca=medseg-ca")[1]["config map medseg-ca"]
    assert "lacks ca.crt; it has root.pem; add it: kubectl -n kubeflow edit configmap medseg-ca" in lacking
    put(cluster, manifest("ConfigMap", "medseg-ca", data={"ca.crt": ""}))
    assert (
        doctor("cluster.store_ca=medseg-ca")[1]["config map medseg-ca"] == "ok       config map medseg-ca: has ca.crt"
    )


def test_without_a_secret_the_account_needs_an_identity(doctor: Doctor, cluster: KubernetesServer) -> None:
    _, lines = doctor("cluster.store_secret=null")
    assert lines["web identity"].startswith("warning")
    role = {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/medseg"}}
    put(cluster, manifest("ServiceAccount", "medseg-runner", metadata=role))
    _, lines = doctor("cluster.store_secret=null")
    assert lines["web identity"] == "ok       web identity: arn:aws:iam::1:role/medseg opens the store"


def test_a_right_that_the_service_account_lacks(doctor: Doctor, cluster: KubernetesServer) -> None:
    cluster.denied = {"create workflowtaskresults"}
    code, lines = doctor()
    assert code == 1
    assert "may not create workflowtaskresults in namespace kubeflow" in lines["rights of medseg-runner"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            {"workflowDefaults": SHIPPED},
            "are not started again (retryPolicy OnError, limit 2); kubectl -n kubeflow patch",
        ),
        ({}, "are not started again (nothing set)"),
        ({"workflowDefaults": PATCHED.replace("0", "2")}, "multiply with those of the recipe"),
        ({"config": f"workflowDefaults: {{{PATCHED}}}".replace("{spec: ", "{spec: ")}, "ok "),
    ],
)
def test_retries_need_the_patched_controller(
    doctor: Doctor, cluster: KubernetesServer, data: dict[str, str], says: str
) -> None:
    put(cluster, manifest("ConfigMap", "workflow-controller-configmap", data=data))
    assert says in doctor()[1]["retries"]


def test_scratch_on_a_claim_needs_a_group(doctor: Doctor, cluster: KubernetesServer) -> None:
    assert "scratch on claims" not in doctor()[1]
    line = doctor("resources.scratch_class=fast")[1]["scratch on claims"]
    assert line.startswith("warning  scratch on claims: pods of unet, unet3d most often cannot write to it")
    hidden = PATCHED.replace("{templateDefaults", "{securityContext: {fsGroup: 1}, templateDefaults")
    put(cluster, manifest("ConfigMap", "workflow-controller-configmap", data={"workflowDefaults": hidden}))
    assert doctor("resources.scratch_class=fast")[1]["scratch on claims"] == line
    change = "manifests/kfp/scratch-claims/workflow-controller-patch.yaml"
    assert f"--patch-file {change}, which changes all workflows" in line
    patch = yaml.safe_load((ROOT / change).read_text())
    put(cluster, manifest("ConfigMap", "workflow-controller-configmap", data=patch["data"]))
    lines = doctor("cluster.data.scratch_class=fast")[1]
    assert lines["scratch on claims"].startswith("ok       scratch on claims: belongs to group 10001")
    assert lines["retries"].startswith("ok")


def test_the_retries_of_runs_with_claims_are_mended_with_their_group(doctor: Doctor, cluster: KubernetesServer) -> None:
    put(cluster, manifest("ConfigMap", "workflow-controller-configmap", data={"workflowDefaults": SHIPPED}))
    assert "--patch-file manifests/kfp/workflow-controller-patch.yaml" in doctor()[1]["retries"]
    assert "--patch-file manifests/kfp/scratch-claims/" in doctor("resources.scratch_class=fast")[1]["retries"]


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("2.17.0", "ok       Kubeflow Pipelines: 2.17.0 at http://127"),
        ("2.4.1", "the server is older than the SDK; update it"),
        ("dev", "the server does not tell its version"),
        ("1.8.5", "failed   Kubeflow Pipelines"),
    ],
)
def test_the_version_of_kubeflow_pipelines(doctor: Doctor, kfp: KfpServer, version: str, says: str) -> None:
    kfp.version = version
    assert says in doctor()[1]["Kubeflow Pipelines"]


def test_the_other_checks_go_on_without_kubeflow_pipelines(doctor: Doctor, kfp: KfpServer) -> None:
    kfp.stop()
    code, lines = doctor()
    assert code == 1
    assert "no answer from" in lines["Kubeflow Pipelines"]
    assert lines["namespace"] == "ok       namespace: kubeflow"


# the pods of the manifests


def test_a_bucket_job_that_failed(doctor: Doctor, cluster: KubernetesServer) -> None:
    put(cluster, job(failed="True"))
    code, lines = doctor()
    assert code == 1
    assert "kubectl -n kubeflow logs job/medseg-bucket says why" in lines["job medseg-bucket"]


def test_a_bucket_job_whose_pod_does_not_start(doctor: Doctor, cluster: KubernetesServer) -> None:
    put(cluster, job())
    put(cluster, waiting("other", "ErrImagePull"))
    assert doctor()[1]["job medseg-bucket"].startswith("warning  job medseg-bucket: has not ended yet")
    put(cluster, waiting("medseg-bucket", "ContainerCreating"))
    assert doctor()[0] == 0
    put(cluster, waiting("medseg-bucket", "ErrImagePull"))
    code, lines = doctor()
    assert code == 1
    assert "its pod cannot start: ErrImagePull: no such host; mend that" in lines["job medseg-bucket"]


def test_a_tensorboard_that_is_not_there_yet_is_a_warning(doctor: Doctor, cluster: KubernetesServer) -> None:
    put(cluster, tensorboard(available="False"))
    code, lines = doctor()
    assert code == 0
    assert "is not available: it may still copy the store's event files" in lines["TensorBoard"]
    put(cluster, waiting("medseg-tensorboard", "CreateContainerConfigError"))
    assert "is not available: CreateContainerConfigError: no such host; kubectl" in doctor()[1]["TensorBoard"]


# nodes


def test_a_mig_slice_that_no_node_offers(doctor: Doctor) -> None:
    code, lines = doctor("resources.gpus=1", "resources.gpu_resource=nvidia.com/mig-1g.10gb")
    assert code == 1
    assert (
        "no node offers it, asked for by unet, unet3d; the nodes offer nvidia.com/gpu (6)"
        in (lines["nvidia.com/mig-1g.10gb"])
    )


def test_no_gpu_nodes_at_all(doctor: Doctor, cluster: KubernetesServer) -> None:
    for name in ("gpu-1", "gpu-2"):
        drop(cluster, "Node", name)
    assert "the nodes offer no devices; set resources.gpu_resource" in doctor("resources.gpus=1")[1][GPU]


def test_a_model_may_ask_for_another_resource_than_the_others(doctor: Doctor) -> None:
    own = 'models=[unet, {model: unet3d, set: {resources.gpus: 1, resources.gpu_resource: "amd.com/gpu"}}]'
    _, lines = doctor("resources.gpus=2", own)
    assert lines[GPU].startswith("ok")
    assert "asked for by unet3d" in lines["amd.com/gpu"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            ["resources.gpus=6"],
            "asks for 2 CPUs, 8.0 GiB with /dev/shm, 6 nvidia.com/gpu; the largest node, gpu-1, has",
        ),
        (["resources.memory=60Gi", "resources.shared_memory=8Gi"], "asks for 2 CPUs, 68.0 GiB with /dev/shm"),
        (["resources.cpu='17'"], "asks for 17 CPUs"),
        (["resources.node_selector={pool: a100}"], "no ready node has pool=a100"),
    ],
)
def test_a_pod_that_is_larger_than_every_node(doctor: Doctor, settings: list[str], says: str) -> None:
    code, lines = doctor(*settings)
    assert code == 1
    assert says in lines["pod of unet, unet3d"]
    assert lines["room"].endswith("for a pod of data")


def test_gpus_that_training_leaves_idle(doctor: Doctor) -> None:
    code, lines = doctor("resources.gpus=2")
    assert code == 0
    assert lines["GPUs of unet, unet3d"].startswith(f"warning  GPUs of unet, unet3d: asks for 2 {GPU}, and")
    assert "GPUs of unet, unet3d" not in doctor("resources.gpus=1")[1]


def test_a_taint_that_is_not_tolerated(doctor: Doctor, cluster: KubernetesServer) -> None:
    put(cluster, node("gpu-1", taint="pool", **{GPU: "4"}))
    put(cluster, node("gpu-2", taint="pool", **{GPU: "4"}))
    code, lines = doctor("resources.gpus=1")
    assert code == 1
    assert "is tainted pool:NoSchedule, which it does not tolerate" in lines["pod of unet, unet3d"]
    assert doctor("resources.gpus=1", "resources.tolerations=[{key: pool}]")[0] == 0


def test_the_usual_taint_of_gpu_nodes_is_a_warning(doctor: Doctor, cluster: KubernetesServer) -> None:
    for name in ("gpu-1", "gpu-2"):
        put(cluster, node(name, taint=GPU, **{GPU: "4"}))
    code, lines = doctor("resources.gpus=1")
    assert code == 0
    assert lines["pod of unet, unet3d"].startswith("warning")


def test_a_node_that_takes_no_pods_does_not_count(doctor: Doctor, cluster: KubernetesServer) -> None:
    for one in cluster.manifests:
        if one["metadata"]["name"] == "gpu-1":
            one["spec"]["unschedulable"] = True
        if one["metadata"]["name"] == "gpu-2":
            one["status"]["conditions"][0]["status"] = "Unknown"
    assert "no node offers it" in doctor("resources.gpus=1")[1][GPU]


def test_a_scratch_folder_larger_than_every_disk(doctor: Doctor) -> None:
    _, lines = doctor("resources.scratch=300Gi")
    assert "may fill 300 GiB, but no node has more than 200 GiB" in lines["scratch of unet, unet3d"]


def test_loader_processes_need_shared_memory(doctor: Doctor) -> None:
    assert "train.workers is set, /dev/shm has the 64 MiB" in doctor("train.workers=4")[1]["shared memory"]
    assert doctor("train.workers=4", "resources.shared_memory=8Gi")[1]["shared memory"].endswith("/dev/shm of 8Gi")


# quotas, queues, classes


@pytest.mark.parametrize(
    ("hard", "used", "says"),
    [
        ({"requests.nvidia.com/gpu": "1"}, {}, "failed   quota q: requests.nvidia.com/gpu ends at 1, a pod of unet"),
        ({"limits.memory": "16Gi"}, {"limits.memory": "12Gi"}, "warning  quota q: has no room just now for data"),
        ({"pods": "20"}, {"pods": "3"}, "ok       quota q: leaves room for each pod"),
    ],
)
def test_quotas(
    doctor: Doctor, cluster: KubernetesServer, hard: dict[str, str], used: dict[str, str], says: str
) -> None:
    put(cluster, manifest("ResourceQuota", "q", spec={"hard": hard}, status={"hard": hard, "used": used}))
    assert doctor("resources.gpus=2")[1]["quota q"].startswith(says)


def test_a_limit_range_below_the_pod(doctor: Doctor, cluster: KubernetesServer) -> None:
    put(cluster, manifest("LimitRange", "l", spec={"limits": [{"type": "Container", "max": {"cpu": "1"}}]}))
    assert "allows 1 cpu, a pod of unet, unet3d asks for 2; ask for less" in doctor()[1]["limit range l"]


def test_kueue(doctor: Doctor, cluster: KubernetesServer) -> None:
    asked = ("resources.queue=gpus", "resources.priority_class=low")
    assert doctor(*asked)[1]["Kueue"].startswith("failed   Kueue: is not installed, but resources.queue = gpus")
    put(cluster, manifest("LocalQueue", "other", api=KUEUE, spec={"clusterQueue": "all"}))
    put(cluster, manifest("WorkloadPriorityClass", "low", api=KUEUE, namespace=None, value=10))
    assert "no such LocalQueue; choices in namespace kubeflow: other" in doctor(*asked)[1]["queue gpus"]
    put(cluster, manifest("LocalQueue", "gpus", api=KUEUE, spec={"clusterQueue": "all"}))
    code, lines = doctor(*asked)
    assert code == 0
    assert lines["queue gpus"] == "ok       queue gpus: feeds ClusterQueue all"
    assert lines["priority class low"] == "ok       priority class low: value 10"
    assert "choices: low" in doctor("resources.queue=gpus", "resources.priority_class=high")[1]["priority class high"]


def test_a_queue_that_is_not_active(doctor: Doctor, cluster: KubernetesServer) -> None:
    inactive = {"conditions": [{"type": "Active", "status": "False", "message": "no ResourceFlavor"}]}
    put(cluster, manifest("LocalQueue", "gpus", api=KUEUE, spec={"clusterQueue": "all"}, status=inactive))
    assert "is not active: no ResourceFlavor; mend ClusterQueue all" in doctor("resources.queue=gpus")[1]["queue gpus"]


def test_a_storage_class_that_is_not_there(doctor: Doctor, cluster: KubernetesServer) -> None:
    put(cluster, manifest("StorageClass", "fast", api="storage.k8s.io/v1", namespace=None))
    assert "choices: fast" in doctor("resources.scratch_class=fats")[1]["storage class fats"]
    assert doctor("resources.scratch_class=fast")[1]["storage class fast"].startswith("ok")


# image


def test_an_image_without_registry_is_only_where_it_was_loaded(doctor: Doctor, cluster: KubernetesServer) -> None:
    put(cluster, node("empty") | {"status": node("empty")["status"] | {"images": []}})
    code, lines = doctor()
    assert code == 0
    assert "is on 3 of 4 nodes; its name has no registry, so it is only where it" in lines["image medseg:0.1.0"]
    code, lines = doctor("cluster.image=medseg:0.0.9")
    assert code == 1
    assert "is on 0 of 4 nodes" in lines["image medseg:0.0.9"]
    assert doctor("cluster.image_pull_policy=Always")[1]["image medseg:0.1.0"].startswith("failed")
    assert "is on 3 of 4 nodes" in doctor("resources.gpus=1")[1]["image medseg:0.1.0-cuda"]


@pytest.fixture
def registry() -> Iterator[Registry]:
    with registry_serving() as running:
        yield running


def test_an_image_in_a_registry(doctor: Doctor, cluster: KubernetesServer, registry: Registry) -> None:
    registry.images = {"team/medseg:1"}
    name = f"{registry.host}/team/medseg"
    assert doctor(f"cluster.image={name}:1")[1][f"image {name}:1"].endswith(": the registry has it")
    assert "does not have it; push it" in doctor(f"cluster.image={name}:2")[1][f"image {name}:2"]
    cluster.forbidden = {"nodes"}
    assert doctor(f"cluster.image={name}:1")[1][f"image {name}:1"].endswith(": the registry has it")


def test_a_registry_that_asks_for_a_login(doctor: Doctor, cluster: KubernetesServer, registry: Registry) -> None:
    registry.private = {"team/medseg:1"}
    image, pull = f"{registry.host}/team/medseg:1", "cluster.image_pull_secrets=[pull]"
    assert "name a secret in cluster.image_pull_secrets" in doctor(f"cluster.image={image}")[1][f"image {image}"]
    lines = doctor(f"cluster.image={image}", pull)[1]
    assert "pods log in with pull, which only they can tell" in lines[f"image {image}"]
    assert lines["pull secret pull"].startswith("failed")
    put(cluster, manifest("Secret", "pull", type="Opaque"))
    assert "is of type Opaque" in doctor(f"cluster.image={image}", pull)[1]["pull secret pull"]
    put(cluster, manifest("Secret", "pull", type="kubernetes.io/dockerconfigjson"))
    assert doctor(f"cluster.image={image}", pull)[1]["pull secret pull"].startswith("ok")


def test_a_registry_that_this_machine_does_not_reach(doctor: Doctor, registry: Registry) -> None:
    registry.shutdown()
    registry.server_close()
    line = doctor(f"cluster.image={registry.host}/team/medseg:1")[1]["image"]
    assert line.startswith("skipped")
    assert line.endswith("cannot be reached from here; only nodes can tell")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("medseg:1", "docker.io/library/medseg:1"),
        ("medseg", "docker.io/library/medseg:latest"),
        ("team/medseg:1", "docker.io/team/medseg:1"),
        ("registry.example/medseg", "registry.example/medseg:latest"),
        ("localhost:5000/medseg:1", "localhost:5000/medseg:1"),
    ],
)
def test_full_names_of_images(name: str, full: str) -> None:
    assert full_name(name) == full


# bucket


def test_a_bucket_is_written_read_and_emptied(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with embedded_server(tmp_path / "s3") as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", endpoint.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", endpoint.secret_key)
        assert "written, read and deleted from here" in doctor()[1]["store s3://medseg"]
        code, lines = doctor("store.uri=s3://absent")
        assert code == 1
        assert "no bucket 'absent'" in lines["store s3://absent"]
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        assert doctor()[1]["store s3://medseg"].startswith("failed")
    assert not [path for path in (tmp_path / "s3").rglob("doctor/*") if path.is_file()]


def test_a_store_that_this_machine_does_not_reach_is_for_pods_to_tell(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "some")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    code, lines = doctor()
    assert code == 0
    assert lines["bucket"].startswith("skipped")


def test_a_folder_is_no_store_for_pods(doctor: Doctor, tmp_path: Path) -> None:
    code, lines = doctor(f"store={tmp_path}")
    assert code == 1
    assert "is a folder; give s3://bucket" in lines["recipe"]
