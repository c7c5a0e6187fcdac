"""The part of the recipe that speaks to a Kubernetes cluster: pods, where they run, and when a benchmark starts."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from medseg.cron import parse_cron
from medseg.section import Count, Section


def _written(value: Any) -> Any:
    """``cpu: 8`` is a number to YAML."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Whole = Annotated[int, Field(ge=0)]


def _like(pattern: str, rule: str) -> AfterValidator:
    """Text that fits a pattern as a whole; the rule tells people what that means."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {rule}")
        return text

    return AfterValidator(check)


_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_LABEL_VALUE = r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?"
Cpu = Annotated[
    str,
    BeforeValidator(_written),
    _like(r"[1-9]\d*(\.\d{1,3})?|0\.(?!0+$)\d{1,3}|[1-9]\d*m", "cores from 0.001 on, such as 4, 0.5 or 500m"),
]
Bytes = Annotated[
    str, BeforeValidator(_written), _like(r"[1-9]\d*(Ki|Mi|Gi|Ti|M|G|T)", "a whole size such as 8Gi or 500Mi")
]
DnsLabel = Annotated[str, _like(_LABEL, "a name of small letters, digits and dashes, at most 63 characters")]
DnsName = Annotated[str, _like(rf"{_LABEL}(\.{_LABEL})*", "a name of small letters, digits, dashes and dots")]
ResourceName = Annotated[
    str,
    _like(
        rf"{_LABEL}(\.{_LABEL})+/[A-Za-z0-9._-]+", "as nodes list it, such as nvidia.com/gpu or nvidia.com/mig-1g.10gb"
    ),
]
LabelKey = Annotated[
    str, _like(rf"({_LABEL}(\.{_LABEL})*/)?[A-Za-z0-9]([A-Za-z0-9._-]{{0,61}}[A-Za-z0-9])?", "a label's key")
]
LabelValue = Annotated[str, _like(_LABEL_VALUE, "a label's value: letters, digits, '.', '_' and '-', at most 63")]
ImageName = Annotated[
    str, _like(r"(?!.*://)[a-z0-9][\w.:/@-]*", "an image such as registry.example.org/medseg:0.1.0-cuda")
]
Hours = Annotated[float, Field(ge=0.01, le=10 * 366 * 24)]  # ten years; Kubernetes counts seconds in 32 bits
Days = Annotated[float, Field(ge=0.01, le=10 * 366)]

_UNITS = {"M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def to_bytes(quantity: str) -> int:
    """Bytes of a Kubernetes quantity such as ``8Gi``."""
    number = quantity.rstrip("KMGTi")
    return int(number) * _UNITS[quantity.removeprefix(number)]


class TolerationConfig(Section):
    """A taint of nodes that pods may run on nevertheless; without ``value`` whatever its value is."""

    key: LabelKey
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class PodConfig(Section):
    """What a pod asks for, and on which nodes it may run.

    Attributes:
        memory: of the processes; ``shared_memory`` is asked for on top of it.
        scratch: size of the folder for temporary files and caches. A limit and no request: KFP cannot ask for a node's
            disk, so that nodes with little of it evict pods.
        scratch_class: storage class of a claim that holds that folder for as long as the pod lives; None is the node's
            own disk (emptyDir). Most classes need the fsGroup of manifests/README.md, or the folder cannot be written.
    """

    cpu: Cpu = "2"
    memory: Bytes = "8Gi"
    scratch: Bytes = "20Gi"
    scratch_class: DnsName | None = None
    node_selector: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    tolerations: tuple[TolerationConfig, ...] = ()


class ResourcesConfig(PodConfig):
    """What the training and evaluation pods of one model ask for, and how they are started again.

    Attributes:
        gpus: of one pod; 0 trains on the CPU. Training itself uses one; nodes that are given whole may have more.
        gpu_resource: what the cluster calls a GPU: ``nvidia.com/gpu``, a MIG slice such as
            ``nvidia.com/mig-1g.10gb``, ``amd.com/gpu``, …
        shared_memory: size of /dev/shm, which loader processes (``train.workers``) need; None leaves what the container
            runtime gives, most often 64 MiB.
        queue: Kueue's local queue.
        priority_class: Kueue's workload priority class.
        retries: starts after the first one of a pod that failed or was taken away; training goes on from its last
            checkpoint.
        retry_seconds: wait before the second start; each later one waits twice as long.
        deadline_hours: after which one pod is ended; it is then started again like one that failed.
        max_parallel: trainings of the whole run at a time; None leaves it to the cluster. A model whose pod has waited
            for a node for two hours is no longer counted.
    """

    gpus: Whole = 0
    gpu_resource: ResourceName = "nvidia.com/gpu"
    shared_memory: Bytes | None = None
    queue: DnsLabel | None = None
    priority_class: DnsLabel | None = None
    retries: Annotated[int, Field(ge=0, le=100)] = 2
    retry_seconds: Annotated[int, Field(ge=1, le=86400)] = 60
    deadline_hours: Hours = 24.0
    max_parallel: Count | None = None

    @model_validator(mode="after")
    def _priority_needs_a_queue(self) -> Self:
        if self.priority_class and not self.queue:
            raise ValueError(
                f"priority_class = {self.priority_class!r} needs Kueue's queue beside it: Kubeflow Pipelines cannot set"
                " the priority class of a pod; manifests/README.md says how to set one for all workflows"
            )
        return self


class ClusterConfig(Section):
    """How the run meets the cluster; the names are those that ``manifests/base`` makes.

    Attributes:
        namespace: where the run's pods are made.
        experiment: of Kubeflow Pipelines that runs are listed under; None is the recipe's name.
        image: that all steps run in; None is $MEDSEG_IMAGE or medseg with this version, ``-cuda`` for GPUs.
        service_account: whose rights the pods have; with web identity, whose access to the store too.
        store_secret: with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; None where web identity opens the store.
        store_config: config map with AWS_ENDPOINT_URL, AWS_REGION and, for web identity of a site's own,
            AWS_ENDPOINT_URL_STS, as pods must use them; each may be missing.
        store_ca: config map whose ``ca.crt`` holds the certificates that the store's is checked against; None takes
            those of public authorities.
        pseudonym_secret: whose ``key`` makes pseudonyms; the same one for every run, or patients change their names.
        data: pods that ingest and preprocess, and the light ones of report and gate.
        keep_days: that Kubernetes keeps a finished run's workflow and pods; API, store and report keep it for good.
        deadline_hours: after which the whole run is ended; None never ends it.
    """

    namespace: DnsName = "kubeflow"
    experiment: str | None = None
    image: ImageName | None = None
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    image_pull_secrets: tuple[DnsName, ...] = ()
    service_account: DnsName = "medseg-runner"
    store_secret: DnsName | None = "medseg-s3"
    store_config: DnsName | None = "medseg-store"
    store_ca: DnsLabel | None = None  # KFP makes the volume's name of it, which has no dots
    pseudonym_secret: DnsName | None = "medseg-pseudonyms"
    data: PodConfig = PodConfig()
    keep_days: Days = 7.0
    deadline_hours: Hours | None = None


class ScheduleConfig(Section):
    """When the benchmark runs again by itself.

    Attributes:
        cron: six fields, seconds first, in UTC: ``0 0 3 * * 1`` is every Monday at three.
    """

    cron: Annotated[str, AfterValidator(lambda text: parse_cron(text).text)]
