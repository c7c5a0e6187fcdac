"""All checks of the doctor, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pipelines.doctor import argo, given, image, kubeflow, kueue, names, nodes, own, quota, store
from pipelines.doctor.finding import Finding, NotReachedError, UnknownError, skipped
from pipelines.doctor.kube import KubeError
from pipelines.doctor.visit import Visit

Check = Callable[[Visit], Iterable[Finding]]

CHECKS: dict[str, Check] = {
    "recipe": given.recipe,
    "kubectl": kubeflow.kubectl,
    "cluster": kubeflow.cluster,
    "Kubeflow Pipelines": kubeflow.pipelines,
    "place of pods": kubeflow.place_of_pods,
    "retries": argo.retry,
    "namespace": names.namespace,
    "service account": names.service_account,
    "rights of the service account": names.rights,
    "store secret": names.store_secret,
    "store config map": names.store_config,
    "store certificates": names.store_authority,
    "bucket": store.bucket,
    "bucket job": own.bucket_job,
    "TensorBoard": own.tensorboard,
    "pseudonym secret": names.pseudonym_secret,
    "pull secrets": names.pull_secrets,
    "image": image.image,
    "GPUs": nodes.gpus,
    "idle GPUs": nodes.idle_gpus,
    "room on nodes": nodes.room,
    "shared memory": nodes.shared_memory,
    "quotas": quota.quotas,
    "limit ranges": quota.limits,
    "Kueue": kueue.queues,
    "storage classes": names.storage_classes,
    "scratch on claims": argo.claims,
}


def examine(visit: Visit) -> Iterator[Finding]:
    """What every check finds; one that cannot know says why, and the others go on."""
    unasked = []
    for subject, check in CHECKS.items():
        try:
            yield from check(visit)
        except NotReachedError:
            unasked.append(subject)
        except (UnknownError, KubeError) as error:
            yield skipped(subject, str(error))
    if unasked:
        yield skipped(", ".join(unasked), "only the cluster knows, and it was not reached")
