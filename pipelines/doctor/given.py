"""Whether the recipe itself can be run by pods, which see nothing of this machine."""

from __future__ import annotations

from collections.abc import Iterator

from medseg.errors import RecipeError
from pipelines.doctor.finding import Finding, failed, ok
from pipelines.doctor.visit import Visit
from pipelines.pod_check import check_for_pods


def recipe(visit: Visit) -> Iterator[Finding]:
    if visit.recipe is None:
        return
    try:
        check_for_pods(visit.recipe, str(visit.options.recipe))
    except RecipeError as error:
        first, *faults = str(error).splitlines()
        for fault in faults or [first]:
            yield failed("recipe", fault.strip().rpartition(": ")[0] or fault, fault.rpartition(": ")[2])
    else:
        yield ok("recipe", "names nothing that lies on this machine alone")
