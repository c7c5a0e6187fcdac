"""The last step: a run with a failed model must not look green."""

from components.base import component


@component
def gate(run_uri: str, job_id: str = "") -> None:
    """Fails if a model of the run failed or, where the recipe asks for it, got significantly worse."""
    from components.task import task

    with task(run_uri, job_id) as run:
        from medseg.stages import report

        report.require_success(run)
