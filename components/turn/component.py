"""Turn as a pipeline task: it keeps the number of trainings at a time down."""

from components.base import component


@component
def turn(run_uri: str, model: str, job_id: str = "") -> None:
    """Waits until ``model`` may begin: fewer models are at work than ``resources.max_parallel``."""
    from components.task import task

    with task(run_uri, job_id) as run:
        from medseg.stages import turn

        turn.wait_for_turn(run, model)
