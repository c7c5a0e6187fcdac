"""Whether what a run's pods refer to by name is in the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.doctor.finding import Finding, failed, ok, warning
from pipelines.doctor.visit import Visit

BASE = "kubectl apply -k manifests/overlays/gpu (or another: manifests/README.md)"
IDENTITIES = ("eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id")

KINDS = {"secret": "secret", "configmap": "config map"}
# what runs beside and before every step: group, resource, name, verb; as in manifests/base/access.yaml
RIGHTS = (
    ("argoproj.io", "workflowtaskresults", "", "create"),
    ("argoproj.io", "workflowtaskresults", "", "patch"),
    ("", "pods", "", "get"),
    ("", "configmaps", "kfp-launcher", "get"),
)


def namespace(visit: Visit) -> Iterator[Finding]:
    name = visit.namespace
    if visit.kube.get(f"/api/v1/namespaces/{name}"):
        yield ok("namespace", name)
    else:
        yield failed("namespace", f"there is no {name!r}", f"set cluster.namespace, or {BASE}")


def service_account(visit: Visit) -> Iterator[Finding]:
    name = visit.cluster.service_account
    subject = f"service account {name}"
    account = visit.kube.get(visit.path("serviceaccounts", name))
    if account is None:
        yield failed(subject, f"is not in namespace {visit.namespace}", f"set cluster.service_account, or {BASE}")
        return
    yield ok(subject, "is there")
    if not visit.cluster.store_secret:
        marks = account["metadata"].get("annotations", {})
        if identity := next((key for key in IDENTITIES if key in marks), None):
            yield ok("web identity", f"{marks[identity]} opens the store")
        else:
            yield warning(
                "web identity",
                f"cluster.store_secret is null and {name} names no cloud identity ({', '.join(IDENTITIES)})",
                "annotate the account, or name a secret; EKS Pod Identity needs neither, and only pods can tell",
            )


def rights(visit: Visit) -> Iterator[Finding]:
    """What the service account may do; only who may ask for others gets an answer."""
    user = f"system:serviceaccount:{visit.namespace}:{visit.cluster.service_account}"
    allowed = {
        " ".join((verb, resource, name)).strip(): visit.kube.review(group, resource, name, verb, visit.namespace, user)
        for group, resource, name, verb in RIGHTS
    }
    subject = f"rights of {visit.cluster.service_account}"
    if missing := [what for what in allowed if not allowed[what]]:
        yield failed(subject, f"may not {', '.join(missing)} in namespace {visit.namespace}", BASE)
    else:
        yield ok(subject, f"may {', '.join(allowed)}")


def store_secret(visit: Visit) -> Iterator[Finding]:
    if name := visit.cluster.store_secret:
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        literals = " ".join(f"--from-literal={key}=..." for key in keys)
        yield _keyed(visit, "secret", name, keys, f"create secret generic {name} {literals}")


def store_config(visit: Visit) -> Iterator[Finding]:
    name = visit.cluster.store_config
    if name is None:
        return
    subject = f"config map {name}"
    found = visit.kube.get(visit.path("configmaps", name))
    if found is None:
        yield warning(subject, "is missing: pods look for the bucket at Amazon", BASE)
        return
    endpoint = found.get("data", {}).get("AWS_ENDPOINT_URL")
    yield ok(subject, f"pods reach the store at {endpoint or 'Amazon, since it has no AWS_ENDPOINT_URL'}")


def store_authority(visit: Visit) -> Iterator[Finding]:
    """A pod that mounts a config map which is missing waits for it for ever."""
    name = visit.cluster.store_ca
    if name is None:
        return
    yield _keyed(visit, "configmap", name, ("ca.crt",), f"create configmap {name} --from-file=ca.crt")


def pseudonym_secret(visit: Visit) -> Iterator[Finding]:
    """Runs over data sets that need no pseudonyms go without."""
    name = visit.cluster.pseudonym_secret
    if name is None:
        return
    make = f'create secret generic {name} --from-literal=key="$(openssl rand -hex 32)"'
    missing = "is missing: DICOM, and whatever has deidentify.key, cannot be ingested"
    yield _keyed(visit, "secret", name, ("key",), make, missing)


def pull_secrets(visit: Visit) -> Iterator[Finding]:
    for name in visit.cluster.image_pull_secrets:
        subject = f"pull secret {name}"
        found = visit.kube.get(visit.path("secrets", name))
        make = f"kubectl -n {visit.namespace} create secret docker-registry {name} --docker-server=..."
        if found is None:
            yield failed(subject, f"is not in namespace {visit.namespace}", make)
        elif found.get("type") not in ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"):
            yield failed(subject, f"is of type {found.get('type')}, which the kubelet passes over", make)
        else:
            yield ok(subject, "is there")


def storage_classes(visit: Visit) -> Iterator[Finding]:
    for name in sorted({pod.config.scratch_class for pod in visit.pods if pod.config.scratch_class}):
        if visit.kube.get(f"/apis/storage.k8s.io/v1/storageclasses/{name}"):
            yield ok(f"storage class {name}", "is there")
        else:
            known = [item["metadata"]["name"] for item in visit.kube.items("/apis/storage.k8s.io/v1/storageclasses")]
            yield failed(
                f"storage class {name}",
                f"is not in the cluster; choices: {', '.join(known) or 'none'}",
                "set scratch_class, or leave it out to use the nodes' own disks",
            )


def _keyed(visit: Visit, kind: str, name: str, keys: tuple[str, ...], make: str, missing: str = "") -> Finding:
    """Whether a secret or config map has its keys, by names alone: values of secrets are never shown.

    Args:
        make: what kubectl makes it with.
        missing: what it means that there is none, where a run may do without.
    """
    subject = f"{KINDS[kind]} {name}"
    mend = f"kubectl -n {visit.namespace} {make}"
    found = visit.kube.get(visit.path(f"{kind}s", name))
    if found is None and missing:
        return warning(subject, missing, mend)
    if found is None:
        return failed(subject, f"is not in namespace {visit.namespace}", mend)
    if lacking := [key for key in keys if key not in found.get("data", {})]:
        add = f"add it: kubectl -n {visit.namespace} edit {kind} {name}"  # anew, what it holds would be lost
        return failed(subject, f"lacks {', '.join(lacking)}; it has {_listed(found)}", add)
    return ok(subject, f"has {', '.join(keys)}")


def _listed(found: dict) -> str:
    return ", ".join(sorted(found.get("data", {}))) or "no keys"
