"""Every object of every overlay: valid for the API servers that are supported, and called what recipes call it."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils

from medseg import __version__
from medseg.cluster_config import ClusterConfig
from medseg.storage.embedded import BUCKET
from pipelines.pods import CERTIFICATES
from tests.manifests.conftest import AUTHORITY_ADDED, STORE_ADDED, Object, build, find, pod_templates

VERSIONS = ("1.33", "1.34", "1.35", "1.36")
DEFAULT = ClusterConfig()


@pytest.fixture(autouse=True, scope="module")
def schemas_read_once() -> Iterator[None]:
    """The package reads two files of up to 2 MB anew for every object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", functools.cache(utils.schema_contents))
        yield


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(objects: list[Object], version: str) -> None:
    assert len(objects) >= 13
    assert {kubernetes_validate.validate(item, version, strict=True) for item in objects} == {version}


def test_a_misspelt_field_would_be_found() -> None:
    service = find(build("base"), "Service", "medseg-tensorboard")
    with pytest.raises(kubernetes_validate.ValidationError, match="sesionAffinity"):
        kubernetes_validate.validate(service | {"spec": {"sesionAffinity": "None"}}, "1.36", strict=True)


def test_names_are_those_that_recipes_use_by_default(objects: list[Object]) -> None:
    find(objects, "ServiceAccount", DEFAULT.service_account)
    assert DEFAULT.store_config
    config = find(objects, "ConfigMap", DEFAULT.store_config)["data"]
    assert config["MEDSEG_STORE"] == f"s3://{BUCKET}"
    assert config["AWS_REGION"]


@pytest.mark.parametrize("name", ["base", "overlays/kind", "overlays/gpu", STORE_ADDED])
def test_runs_live_where_standalone_pipelines_runs_them(name: str) -> None:
    assert {item["metadata"]["namespace"] for item in build(name)} == {DEFAULT.namespace}


def test_production_has_a_namespace_of_its_own() -> None:
    objects = build("overlays/production")
    labels = find(objects, "Namespace", "medseg")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    others = [item for item in objects if item["kind"] != "Namespace"]
    assert {item["metadata"]["namespace"] for item in others} == {"medseg"}
    (subject,) = find(others, "RoleBinding", "medseg-runner")["subjects"]
    assert subject["namespace"] == "medseg"


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("base", f"medseg:{__version__}"),
        ("overlays/kind", f"medseg:{__version__}"),
        ("overlays/gpu", f"medseg:{__version__}-cuda"),
        ("overlays/production", f"registry.example.org/medseg:{__version__}-cuda"),
    ],
)
def test_images_have_this_version(name: str, image: str) -> None:
    containers = [container for pod in pod_templates(build(name)) for container in pod["spec"]["containers"]]
    assert [container["image"] for container in containers] == [image, image]


def test_no_object_holds_a_secret_value(objects: list[Object]) -> None:
    assert "Secret" not in {item["kind"] for item in objects}
    given = [item.get("data", {}) for item in objects]
    for pod in pod_templates(objects):
        for container in pod["spec"]["containers"]:
            given += [{entry["name"]: entry.get("value")} for entry in container.get("env", [])]
    names = {name for values in given for name in values}
    assert names <= {"AWS_ENDPOINT_URL", "AWS_REGION", "MEDSEG_STORE", "TMPDIR", "AWS_CA_BUNDLE", "make_bucket.py"}


def test_production_knows_no_static_key() -> None:
    objects = build("overlays/production")
    assert "secretRef" not in yaml.safe_dump(pod_templates(objects))
    assert "AWS_ENDPOINT_URL" not in find(objects, "ConfigMap", "medseg-store")["data"]
    account = find(objects, "ServiceAccount", "medseg-runner")
    assert "eks.amazonaws.com/role-arn" in account["metadata"]["annotations"]
    assert {pod["spec"]["serviceAccountName"] for pod in pod_templates(objects)} == {"medseg-runner"}


@pytest.mark.parametrize("name", ["base", STORE_ADDED])
def test_static_keys_come_from_the_secret_that_recipes_name(name: str) -> None:
    for pod in pod_templates(build(name)):
        sources = [source.get("secretRef", {}).get("name") for source in pod["spec"]["containers"][0]["envFrom"]]
        assert DEFAULT.store_secret in sources


def test_tensorboard_is_not_reached_from_outside_the_cluster(objects: list[Object]) -> None:
    assert not {"Ingress", "HTTPRoute"} & {item["kind"] for item in objects}
    assert {item["spec"].get("type", "ClusterIP") for item in objects if item["kind"] == "Service"} == {"ClusterIP"}


def test_the_added_store_is_where_pods_look_for_it() -> None:
    objects = build(STORE_ADDED)
    service = find(objects, "Service", "medseg-store")
    (port,) = service["spec"]["ports"]
    endpoint = find(objects, "ConfigMap", "medseg-store")["data"]["AWS_ENDPOINT_URL"]
    assert endpoint == f"http://{service['metadata']['name']}:{port['port']}"


@pytest.mark.parametrize("site", [AUTHORITY_ADDED, f"{STORE_ADDED} and components/private-ca"])
def test_a_private_authority_is_trusted_as_in_pods_of_runs(site: str) -> None:
    for kind, name in (("Deployment", "medseg-tensorboard"), ("Job", "medseg-bucket")):
        spec = find(build(site), kind, name)["spec"]["template"]["spec"]
        (volume,) = [one for one in spec["volumes"] if one["name"] == "certificates"]
        assert volume["configMap"] == {"name": "medseg-ca"}
        main = spec["containers"][0]
        assert {"name": "AWS_CA_BUNDLE", "value": f"{CERTIFICATES}/ca.crt"} in main["env"]
        assert CERTIFICATES in [mount["mountPath"] for mount in main["volumeMounts"]]


def test_tensorboard_has_an_hour_for_its_first_copy(objects: list[Object]) -> None:
    deployment = find(objects, "Deployment", "medseg-tensorboard")["spec"]
    probe = deployment["template"]["spec"]["containers"][0]["startupProbe"]
    assert 3600 <= probe["periodSeconds"] * probe["failureThreshold"] < deployment["progressDeadlineSeconds"]


def test_the_job_stays_for_the_doctor(objects: list[Object]) -> None:
    assert "ttlSecondsAfterFinished" not in find(objects, "Job", "medseg-bucket")["spec"]


def test_the_job_waits_for_its_secret_and_its_image(objects: list[Object]) -> None:
    job = find(objects, "Job", "medseg-bucket")["spec"]
    assert "activeDeadlineSeconds" not in job | job["template"]["spec"]


def test_quotas_bound_gpus_and_limits_give_containers_no_limit(objects: list[Object]) -> None:
    (limits,) = find(objects, "LimitRange", "medseg")["spec"]["limits"]
    assert limits.keys() == {"type", "defaultRequest"}
    assert limits["defaultRequest"].keys() == {"cpu", "memory", "ephemeral-storage"}
    quota = find(objects, "ResourceQuota", "medseg")["spec"]["hard"]
    asked = {key.removeprefix("requests.") for key in quota if key.startswith("requests.") and "/" not in key}
    assert asked == limits["defaultRequest"].keys(), "a quota refuses pods that do not ask for what it counts"


@pytest.mark.parametrize("name", ["overlays/gpu", "overlays/production"])
def test_gpu_clusters_have_a_bound_on_gpus(name: str) -> None:
    assert int(find(build(name), "ResourceQuota", "medseg")["spec"]["hard"]["requests.nvidia.com/gpu"]) > 0


def test_rights_are_named_one_by_one(objects: list[Object]) -> None:
    (role,) = [item for item in objects if item["kind"] in ("Role", "ClusterRole")]
    assert role["kind"] == "Role"
    assert "*" not in yaml.safe_dump(role["rules"])
    for rule in role["rules"]:
        if {"secrets", "configmaps"} & set(rule["resources"]):
            assert rule["verbs"] == ["get"]
            assert rule["resourceNames"]
