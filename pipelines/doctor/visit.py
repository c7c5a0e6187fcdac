"""What the doctor looks at: a recipe, the pods that it asks for, and the cluster that is to run them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from functools import cached_property

from kubernetes.utils.quantity import parse_quantity

from medseg.cluster_config import ClusterConfig, PodConfig, ResourcesConfig
from medseg.config import Recipe, UnitConfig
from medseg.models import registry
from pipelines.doctor.finding import NotReachedError
from pipelines.doctor.kube import Kube


@dataclass(frozen=True)
class Pod:
    """What the scheduler has to find on one node.

    Attributes:
        name: of the models that ask for the same.
        memory: bytes, with those of /dev/shm.
        gpus: number by resource name; empty on the CPU.
    """

    name: str
    config: PodConfig
    cpu: float
    memory: int
    gpus: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, names: list[str], asked: PodConfig) -> Pod:
        memory, gpus = parse_quantity(asked.memory), {}
        if isinstance(asked, ResourcesConfig):
            memory += parse_quantity(asked.shared_memory or "0")
            gpus = {asked.gpu_resource: asked.gpus} if asked.gpus else {}
        return cls(few(names), asked, float(parse_quantity(asked.cpu)), int(memory), gpus)


@dataclass
class Visit:
    """One call of the doctor.

    Attributes:
        recipe: None looks at the cluster alone, with the names that ``manifests/base`` makes.
        opened: the cluster once it was reached.
        multi_user: whether Kubeflow Pipelines has users of its own, once it was reached.
    """

    options: argparse.Namespace
    recipe: Recipe | None
    cluster: ClusterConfig
    opened: Kube | None = None
    multi_user: bool | None = None

    @property
    def kube(self) -> Kube:
        """The cluster.

        Raises:
            NotReachedError: it does not answer.
        """
        if self.opened is None:
            raise NotReachedError("the cluster was not reached")
        return self.opened

    @property
    def namespace(self) -> str:
        return self.cluster.namespace

    def path(self, plural: str, name: str = "", api: str = "/api/v1") -> str:
        """Of a collection in the run's namespace, or of one object in it."""
        return f"{api}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    @cached_property
    def units(self) -> list[UnitConfig]:
        return [registry.unit_config(self.recipe, entry.model) for entry in self.recipe.models] if self.recipe else []

    @cached_property
    def pods(self) -> list[Pod]:
        """The pods of a run: those that handle data, and those of models, once for all that ask for the same."""
        models: dict[str, list[UnitConfig]] = {}
        for unit in self.units:
            models.setdefault(unit.resources.model_dump_json(), []).append(unit)
        alike = [Pod.of([unit.model for unit in units], units[0].resources) for units in models.values()]
        return [Pod.of(["data"], self.cluster.data), *alike]


def few(names: list[str], shown: int = 3) -> str:
    """A list that stays short with many models."""
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")
