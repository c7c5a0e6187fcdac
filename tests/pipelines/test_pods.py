"""Golden tests of the compiled package: pods ask for what recipe and model say, and every reference resolves."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from medseg import __version__
from medseg.config import recipe_from_yaml
from medseg.errors import RecipeError
from medseg.models.registry import model_names
from medseg.validation import set_by_path
from pipelines.package import compile_package

Document = dict[str, Any]
PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]")


class Package:
    """A compiled recipe, read as the API server reads it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        raw: Document = {"name": "golden", "store": "s3://bucket", "dataset": {"name": "d", "source": "s3://raw/d"}}
        for key, value in settings.items():
            set_by_path(raw, key.replace("__", "."), value, "test")
        self.path = folder / "golden.yaml"
        compile_package(recipe_from_yaml(yaml.safe_dump(raw), "test"), self.path)
        self.pipeline, self.platform = yaml.load_all(self.path.read_text(), yaml.CSafeLoader)

    @property
    def pods(self) -> Document:
        return self.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]

    def dag(self, component: str) -> Document:
        return self.pipeline["components"][component]["dag"]["tasks"]

    def branch(self, model: str) -> Document:
        """The tasks of one training by their display names."""
        (loop,) = self.dag(f"comp-{model}").values()
        tasks = self.dag(loop["componentRef"]["name"])
        return {task["taskInfo"]["name"]: task for task in tasks.values()}

    def label(self, task: Document) -> str:
        return self.pipeline["components"][task["componentRef"]["name"]]["executorLabel"]

    def resources(self, task: Document) -> Document:
        return self.pipeline["deploymentSpec"]["executors"][self.label(task)]["container"]["resources"]

    def pod(self, task: Document) -> Document:
        return self.pods[self.label(task)]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    selector = {"nvidia.com/gpu.product": "A100"}
    models = [
        "unet",
        {"model": "segresnet", "set": {"resources.gpus": 2, "resources.node_selector": selector}},
        {"model": "unetr", "set": {"resources.gpu_resource": "nvidia.com/mig-1g.10gb", "resources.gpus": 1}},
    ]
    resources = {
        "cpu": 4,
        "memory": "16Gi",
        "shared_memory": "8Gi",
        "tolerations": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
        "queue": "imaging",
        "priority_class": "night",
        "max_parallel": 2,
        "deadline_hours": 10,
        "retries": 3,
    }
    folder = tmp_path_factory.mktemp("golden")
    return Package(folder, models=models, resources=resources, split__folds=5)


def both(package: Package, model: str) -> Iterator[Document]:
    yield from (package.branch(model)[verb] for verb in ("train", "evaluate"))


def gpus(package: Package, task: Document) -> tuple[str, str] | None:
    asked = package.resources(task).get("accelerator")
    return asked and (asked["resourceType"], asked["resourceCount"])


def test_two_gpus_for_one_model_and_a_mig_slice_for_another(package: Package) -> None:
    asked = {model: {gpus(package, task) for task in both(package, model)} for model in ("unet", "segresnet", "unetr")}
    assert asked == {
        "unet": {None},
        "segresnet": {("nvidia.com/gpu", "2")},
        "unetr": {("nvidia.com/mig-1g.10gb", "1")},
    }


def test_shared_memory_is_asked_for_on_top_of_memory(package: Package) -> None:
    for task in both(package, "segresnet"):
        resources = package.resources(task)
        assert resources["resourceMemoryRequest"] == resources["resourceMemoryLimit"] == f"{24 * 1024}Mi"
        assert resources["resourceCpuRequest"] == resources["resourceCpuLimit"] == "4"
        volumes = {volume["mountPath"]: volume for volume in package.pod(task)["emptyDirMounts"]}
        assert volumes["/dev/shm"] == {
            "mountPath": "/dev/shm",
            "volumeName": "shm",
            "medium": "Memory",
            "sizeLimit": "8Gi",
        }
        assert volumes["/scratch"]["sizeLimit"] == "20Gi"


def test_a_model_s_own_needs_hold_unless_the_recipe_says_otherwise(tmp_path: Path) -> None:
    given = {"model": "mednext", "set": {"resources.memory": "32Gi"}}
    package = Package(tmp_path, models=["unet", "swinunetr", given])
    asked = {
        model: {package.resources(task)["resourceMemoryRequest"] for task in both(package, model)}
        for model in ("unet", "swinunetr", "mednext")
    }
    assert asked == {"unet": {"8Gi"}, "swinunetr": {"16Gi"}, "mednext": {"32Gi"}}


def test_nodes_and_queue_are_those_of_the_model(package: Package) -> None:
    for task in both(package, "segresnet"):
        pod = package.pod(task)
        assert pod["nodeSelector"]["labels"] == {"nvidia.com/gpu.product": "A100"}
        assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
        assert pod["podMetadata"]["labels"] == {
            "app.kubernetes.io/part-of": "medseg",
            "kueue.x-k8s.io/queue-name": "imaging",
            "kueue.x-k8s.io/priority-class": "night",
        }
    assert not any("nodeSelector" in package.pod(task) for task in both(package, "unet"))


def test_a_restart_is_still_due_after_a_pod_that_ran_until_its_deadline(package: Package) -> None:
    for task in both(package, "unet"):
        deadline = int(package.pod(task)["activeDeadlineSeconds"])
        assert deadline == 10 * 3600
        assert task["retryPolicy"]["maxRetryCount"] == 3
        assert int(task["retryPolicy"]["backoffMaxDuration"].rstrip("s")) > 4 * deadline


def test_report_and_gate_are_not_repeated(package: Package) -> None:
    assert "retryPolicy" not in package.pipeline["root"]["dag"]["tasks"]["report"]
    assert "retryPolicy" not in package.dag("comp-exit-handler-1")["gate"]


def test_models_past_the_limit_take_turns_and_wait_for_no_other_model(package: Package) -> None:
    tasks = package.dag("comp-exit-handler-1")
    assert set(tasks["unet"]["dependentTasks"]) == set(tasks["segresnet"]["dependentTasks"]) == {"preprocess"}
    assert set(tasks["unetr"]["dependentTasks"]) == {"preprocess", "turn"}
    assert tasks["turn"]["dependentTasks"] == ["preprocess"]
    (loop,) = package.dag("comp-unet").values()
    assert loop["iteratorPolicy"]["parallelismLimit"] == 1


def test_a_limit_above_the_models_lets_folds_run_side_by_side(tmp_path: Path) -> None:
    package = Package(tmp_path, models=["unet", "segformer"], resources__max_parallel=6, split__folds=5)
    (loop,) = package.dag("comp-unet").values()
    assert loop["iteratorPolicy"]["parallelismLimit"] == 3
    assert "turn" not in package.dag("comp-exit-handler-1")


def test_keys_come_from_secrets_and_pseudonyms_only_to_pods_that_read_scans(package: Package) -> None:
    handler = package.dag("comp-exit-handler-1")
    readers = {package.label(handler[verb]) for verb in ("ingest", "preprocess")}
    for label, pod in package.pods.items():
        secrets = {secret["secretName"] for secret in pod["secretAsEnv"]}
        assert secrets == ({"medseg-s3", "medseg-pseudonyms"} if label in readers else {"medseg-s3"})
        assert pod["configMapAsEnv"][0]["configMapName"] == "medseg-store"


def test_with_web_identity_no_secret_is_needed(tmp_path: Path) -> None:
    package = Package(tmp_path, cluster__store_secret=None, cluster__pseudonym_secret=None)
    assert not any("secretAsEnv" in pod for pod in package.pods.values())


def test_a_store_with_a_certificate_of_the_site_is_trusted_by_all_pods(tmp_path: Path) -> None:
    package = Package(tmp_path, cluster__store_ca="site-ca")
    for label, pod in package.pods.items():
        (volume,) = pod["configMapAsVolume"]
        (variable,) = package.pipeline["deploymentSpec"]["executors"][label]["container"]["env"]
        assert volume["configMapName"] == "site-ca"
        assert variable == {"name": "AWS_CA_BUNDLE", "value": f"{volume['mountPath']}/ca.crt"}


def test_models_on_gpus_bring_the_image_with_cuda(tmp_path: Path) -> None:
    images = {}
    for gpus in (0, 1):
        package = Package(tmp_path, resources__gpus=gpus)
        executors = package.pipeline["deploymentSpec"]["executors"].values()
        (images[gpus],) = {executor["container"]["image"] for executor in executors}
    assert images == {0: f"medseg:{__version__}", 1: f"medseg:{__version__}-cuda"}


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("cpu", 0, "must be cores from 0.001 on, such as 4, 0.5 or 500m"),
        ("cpu", "two", "must be cores from 0.001 on"),
        ("cpu", "0.0001", "must be cores from 0.001 on"),
        ("memory", 8, "must be a whole size such as 8Gi or 500Mi"),
        ("memory", "8.5Gi", "must be a whole size"),
        ("gpu_resource", "mig-1g.10gb", "such as nvidia.com/gpu or nvidia.com/mig-1g.10gb"),
        ("node_selector", {"a b": "c"}, "must be a label's key"),
        ("node_selector", {"a..b/c": "d"}, "must be a label's key"),
        ("node_selector", {"a": "c d"}, "must be a label's value"),
        ("deadline_hours", 0.0001, "must be greater than or equal to 0.01"),
        ("deadline_hours", float("inf"), "must be less than or equal to 87840"),
        ("retries", 1000, "must be less than or equal to 100"),
        ("retry_seconds", 10**9, "must be less than or equal to 86400"),
        ("max_parallel", 0, "must be greater than or equal to 1"),
    ],
)
def test_what_no_pod_can_ask_for_is_refused(tmp_path: Path, key: str, value: Any, says: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(says)):
        Package(tmp_path, **{f"resources__{key}": value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("store_ca", "site.ca"),
        ("image", "reg/foo bar"),
        ("image", "https://reg/foo"),
        ("namespace", "Medseg"),
        ("keep_days", float("inf")),
        ("deadline_hours", 1e6),
    ],
)
def test_what_kubernetes_refuses_is_refused_before(tmp_path: Path, key: str, value: str | float) -> None:
    with pytest.raises(RecipeError, match=re.escape(f"cluster.{key} = {value!r}: must be")):
        Package(tmp_path, **{f"cluster__{key}": value})


def test_every_pod_runs_our_image_as_a_numbered_user(tmp_path: Path) -> None:
    package = Package(tmp_path, cluster__image="hospital.example/medseg:7", cluster__image_pull_secrets=["pull"])
    for executor in package.pipeline["deploymentSpec"]["executors"].values():
        assert executor["container"]["image"] == "hospital.example/medseg:7"
        assert "pip install" not in " ".join(executor["container"]["command"])
    for pod in package.pods.values():
        assert pod["securityContext"] == {"runAsUser": "10001", "runAsGroup": "10001", "runAsNonRoot": True}
        assert pod["imagePullSecret"][0]["secretName"] == "pull"
        assert pod["imagePullPolicy"] == "IfNotPresent"


def test_scratch_may_be_a_claim(tmp_path: Path) -> None:
    package = Package(tmp_path, resources__scratch_class="fast", resources__scratch="100Gi")
    (claim,) = package.pod(package.branch("unet")["train"])["genericEphemeralVolume"]
    assert (claim["mountPath"], claim["size"], claim["storageClassName"]) == ("/scratch", "100Gi", "fast")


def test_the_workflow_is_kept_for_a_while_and_may_have_a_deadline(tmp_path: Path) -> None:
    package = Package(tmp_path, cluster__keep_days=2, cluster__deadline_hours=12)
    config = package.platform["platforms"]["kubernetes"]["pipelineConfig"]
    assert config == {"resourceTtlOnCompletion": 2 * 86400, "activeDeadlineSeconds": 12 * 3600}


def references(package: Package) -> list[str]:
    """Every reference to a parameter, a task or an executor that leads nowhere."""
    components = package.pipeline["components"]
    lost = []
    for name, component in [("root", package.pipeline["root"]), *components.items()]:
        given = set(component.get("inputDefinitions", {}).get("parameters", {}))
        for task_name, task in component.get("dag", {}).get("tasks", {}).items():
            lost += [f"{name}/{task_name}: {fault}" for fault in _task_faults(components, component, given, task)]
        if label := component.get("executorLabel"):
            texts = [package.pipeline["deploymentSpec"]["executors"].get(label), package.pods.get(label)]
            used = set(PARAMETER.findall(json.dumps(texts)))
            lost += [f"{name}: {label}: {parameter}" for parameter in used - given] + [label] * (None in texts)
    return lost


def _task_faults(components: Document, parent: Document, given: set[str], task: Document) -> Iterator[str]:
    tasks, inputs = parent["dag"]["tasks"], task.get("inputs", {}).get("parameters", {})
    if task["componentRef"]["name"] not in components:
        yield task["componentRef"]["name"]
        return
    yield from set(task.get("dependentTasks", [])) - set(tasks)
    for parameter, value in inputs.items():
        source = value.get("componentInputParameter")
        item = task.get("parameterIterator", {}).get("itemInput")
        if source and source not in given | {item}:
            yield f"{parameter} <- {source}"
        if produced := value.get("taskOutputParameter"):
            producer = components.get(tasks[produced["producerTask"]]["componentRef"]["name"], {})
            if produced["outputParameterKey"] not in producer.get("outputDefinitions", {}).get("parameters", {}):
                yield f"{parameter} <- {produced}"
        constant = str(value.get("runtimeValue", {}).get("constant", ""))
        yield from set(PARAMETER.findall(constant)) - set(inputs)
    wanted = components[task["componentRef"]["name"]].get("inputDefinitions", {}).get("parameters", {})
    optional = {name for name, value in wanted.items() if value.get("isOptional") or "defaultValue" in value}
    item = {task.get("parameterIterator", {}).get("itemInput")}
    status = {name for name, value in wanted.items() if value["parameterType"] == "TASK_FINAL_STATUS"}
    yield from set(wanted) - set(inputs) - optional - item - status


def constants(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [str(value)] if key == "constant" else constants(value)
    elif isinstance(node, list):
        yield from (found for value in node for found in constants(value))


def test_kfp_s_id_of_the_run_is_a_whole_argument_of_every_task(package: Package) -> None:
    with_id = [text for text in constants(package.pipeline) if "{{$.pipeline" in text]
    assert set(with_id) == {"{{$.pipeline_job_uuid}}"}, "the driver fills it in nowhere else"
    graphs = [package.pipeline["root"], *package.pipeline["components"].values()]
    tasks = [task for graph in graphs for task in graph.get("dag", {}).get("tasks", {}).values()]
    assert len([task for task in tasks if "run_uri" in task.get("inputs", {}).get("parameters", {})]) == len(with_id)


def test_every_reference_resolves(package: Package) -> None:
    assert references(package) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda p: p.pipeline["components"].pop("comp-train"),
        lambda p: p.pipeline["deploymentSpec"]["executors"].pop("exec-train"),
        lambda p: p.pods.pop("exec-train"),
        lambda p: p.dag("comp-exit-handler-1")["preprocess"]["inputs"]["parameters"].pop("run_uri"),
        lambda p: p.branch("unet")["train"]["inputs"]["parameters"]["model"].update(
            runtimeValue={"constant": "{{$.inputs.parameters['nobody']}}"}
        ),
        lambda p: p.pods["exec-train"].update(nodeSelector={"x": "{{$.inputs.parameters['item-x']}}"}),
    ],
)
def test_a_reference_that_leads_nowhere_is_found(tmp_path: Path, damage: Any) -> None:
    package = Package(tmp_path)
    damage(package)
    assert references(package)


def test_equal_pods_are_written_once(tmp_path: Path) -> None:
    package = Package(tmp_path, models=["unet", "segformer", "deeplabv3", "fpn"])
    assert len({package.label(package.branch(model)["train"]) for model in ("unet", "segformer", "fpn")}) == 1
    assert len(package.pods) == len(package.pipeline["deploymentSpec"]["executors"]) == 6


def test_thirty_five_models_three_seeds_and_five_folds_stay_below_300_kb(tmp_path: Path) -> None:
    models: list[Any] = [*model_names(2), *model_names(3)][:35]
    kinds = [{"resources.memory": f"{16 + index}Gi", "resources.gpus": 2} for index in range(8)]
    mixed = [{"model": name, "set": kind} for name, kind in zip(models, kinds, strict=False)] + models[len(kinds) :]
    package = Package(
        tmp_path,
        models=mixed,
        train__seeds=[0, 1, 2],
        split__folds=5,
        resources={"gpus": 1, "shared_memory": "8Gi", "queue": "imaging", "max_parallel": 4},
    )
    assert len(mixed) == 35
    assert package.path.stat().st_size < 300_000
    assert references(package) == []


def test_a_package_that_may_be_too_large_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Package(tmp_path)
    assert not caplog.text
    monkeypatch.setattr("pipelines.package.ACCEPTED", 10 * 1024)
    Package(tmp_path)
    assert "Kubeflow Pipelines refuses large ones (398 KB were taken, 491 not): fewer models" in caplog.text


def test_a_priority_without_a_queue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="priority_class = 'night' needs Kueue's queue"):
        Package(tmp_path, resources__priority_class="night")


def test_a_limit_of_the_run_is_not_a_model_s(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="resources.max_parallel = 1: is of the whole run"):
        Package(tmp_path, models=[{"model": "unet", "set": {"resources.max_parallel": 1}}])


def test_the_ir_is_one_that_kfp_reads_again(package: Package) -> None:
    from kfp import components

    again = copy.deepcopy(components.load_component_from_file(str(package.path)))
    assert again.pipeline_spec.pipeline_info.name == "golden"
