"""What a recipe's ``resources`` and ``cluster`` make of a task: its pod's image, size, place, secrets and restarts."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from kfp import dsl, kubernetes
from kfp.dsl import structures

from components.base import IMAGE, OWN_IMAGE
from medseg.cluster_config import ClusterConfig, PodConfig, ResourcesConfig, to_bytes
from medseg.config import Recipe
from medseg.data.deidentification.pseudonyms import key_variable
from medseg.models import registry

USER = 10001  # of our images, numeric so that Pod Security can see that it is not root
SCRATCH = "/scratch"  # HOME, TMPDIR and caches of our images lie in it
SHARED_MEMORY = "/dev/shm"
CERTIFICATES = "/etc/medseg/certificates"
SMALL = PodConfig(cpu="100m", memory="512Mi", scratch="1Gi")
RETRIED_FOR_S = 30 * 86400
MIB = 2**20


def image(recipe: Recipe) -> str:
    """What all pods of a run are made from: with CUDA where a model asks for GPUs."""
    if recipe.cluster.image:
        return recipe.cluster.image
    with_gpus = any(registry.unit_config(recipe, entry.model).resources.gpus for entry in recipe.models)
    return f"{IMAGE}-cuda" if with_gpus and IMAGE == OWN_IMAGE else IMAGE


def pipeline_config(cluster: ClusterConfig) -> dsl.PipelineConfig:
    """How long the whole run may last, and how long Kubernetes keeps what is left of it."""
    return dsl.PipelineConfig(
        ttl_seconds_after_finished=round(cluster.keep_days * 86400),
        active_deadline_seconds=cluster.deadline_hours and round(cluster.deadline_hours * 3600),
    )


@dataclass(frozen=True)
class Pods:
    """Makes each task's pod what the recipe and the model's YAML ask for."""

    recipe: Recipe

    def training(self, task: dsl.PipelineTask, model: str) -> dsl.PipelineTask:
        """One training, or its evaluation on the same kind of node."""
        asked = registry.unit_config(self.recipe, model).resources
        self._place(task, asked)
        _container(task).resources = _training_size(asked)
        if asked.shared_memory:
            kubernetes.empty_dir_mount(task, "shm", SHARED_MEMORY, medium="Memory", size_limit=asked.shared_memory)
        if asked.queue:
            kubernetes.add_pod_label(task, "kueue.x-k8s.io/queue-name", asked.queue)
        if asked.priority_class:
            kubernetes.add_pod_label(task, "kueue.x-k8s.io/priority-class", asked.priority_class)
        kubernetes.set_timeout(task, _seconds(asked))
        return _start_again(task, asked)

    def data(self, task: dsl.PipelineTask) -> dsl.PipelineTask:
        """Reads and writes scans; the secret of the pseudonyms is for these pods alone."""
        self._place(task, self.recipe.cluster.data)
        if secret := self.recipe.cluster.pseudonym_secret:
            kubernetes.use_secret_as_env(
                task, secret, {"key": key_variable(self.recipe.dataset.deidentify)}, optional=True
            )
        return _start_again(task, self.recipe.resources)

    def waiting(self, task: dsl.PipelineTask) -> dsl.PipelineTask:
        """Looks into the store now and then."""
        return _start_again(self._place(task, SMALL), self.recipe.resources)

    def closing(self, task: dsl.PipelineTask) -> dsl.PipelineTask:
        """Report and gate, once each: the gate's failure is the run's result."""
        return self._place(task, self.recipe.cluster.data)

    def _place(self, task: dsl.PipelineTask, pod: PodConfig) -> dsl.PipelineTask:
        """Size, place, image and store of any pod."""
        cluster = self.recipe.cluster
        _container(task).image = self._image
        _container(task).resources = _size(pod.cpu, pod.memory)
        kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
        kubernetes.add_pod_label(task, "app.kubernetes.io/part-of", "medseg")
        kubernetes.set_image_pull_policy(task, cluster.image_pull_policy)
        if cluster.image_pull_secrets:
            kubernetes.set_image_pull_secrets(task, list(cluster.image_pull_secrets))
        for key, value in pod.node_selector.items():
            kubernetes.add_node_selector(task, key, value)
        for taint in pod.tolerations:
            operator = "Equal" if taint.value is not None else "Exists"
            kubernetes.add_toleration(task, taint.key, operator, taint.value, taint.effect)
        _open_store(task, cluster)
        _give_scratch(task, pod)
        return task

    @functools.cached_property
    def _image(self) -> str:
        return image(self.recipe)


class OneMachine(Pods):
    """For ``kfp.local``, which has processes or containers and no pods: the image alone."""

    def training(self, task: dsl.PipelineTask, model: str) -> dsl.PipelineTask:
        return self.data(task)

    def data(self, task: dsl.PipelineTask) -> dsl.PipelineTask:
        _container(task).image = self._image
        return task

    closing = data


def _open_store(task: dsl.PipelineTask, cluster: ClusterConfig) -> None:
    """Where the store is and its keys, by name alone; without a secret the service account's identity opens it."""
    if cluster.store_config:
        names = {name: name for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_REGION")}
        kubernetes.use_config_map_as_env(task, cluster.store_config, names, optional=True)
    if cluster.store_ca:
        kubernetes.use_config_map_as_volume(task, cluster.store_ca, CERTIFICATES)
        task.set_env_variable("AWS_CA_BUNDLE", f"{CERTIFICATES}/ca.crt")
    if cluster.store_secret:
        names = {name: name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        kubernetes.use_secret_as_env(task, cluster.store_secret, names)


def _give_scratch(task: dsl.PipelineTask, pod: PodConfig) -> None:
    if pod.scratch_class:
        kubernetes.add_ephemeral_volume(
            task, "scratch", SCRATCH, ["ReadWriteOnce"], pod.scratch, storage_class_name=pod.scratch_class
        )
    else:
        kubernetes.empty_dir_mount(task, "scratch", SCRATCH, size_limit=pod.scratch)


def _container(task: dsl.PipelineTask) -> structures.ContainerSpecImplementation:
    """What a task's own setters change; each of those walks the call stack, which was 17 of 20 s for 35 models."""
    assert task.container_spec is not None
    return task.container_spec


def _training_size(asked: ResourcesConfig) -> structures.ResourceSpec:
    """What lies in /dev/shm counts against the container's memory limit, so it is asked for on top."""
    memory = asked.memory
    if asked.shared_memory:
        memory = f"{math.ceil((to_bytes(memory) + to_bytes(asked.shared_memory)) / MIB)}Mi"
    size = _size(asked.cpu, memory)
    if asked.gpus:
        size.accelerator_type, size.accelerator_count = asked.gpu_resource, str(asked.gpus)
    return size


def _size(cpu: str, memory: str) -> structures.ResourceSpec:
    """Requests are limits too, so that models are compared on equal terms."""
    return structures.ResourceSpec(cpu_request=cpu, cpu_limit=cpu, memory_request=memory, memory_limit=memory)


def _start_again(task: dsl.PipelineTask, asked: ResourcesConfig) -> dsl.PipelineTask:
    """Restarts with waits that double.

    Argo counts the limit of them all from the first start, with the time that pods wait for a node: it lies far above.
    """
    if asked.retries:
        longest = RETRIED_FOR_S + (asked.retries + 1) * _seconds(asked)
        task.set_retry(asked.retries, f"{asked.retry_seconds}s", 2.0, f"{longest}s")
    return task


def _seconds(asked: ResourcesConfig) -> int:
    return round(asked.deadline_hours * 3600)
