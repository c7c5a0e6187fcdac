"""Preprocess as a pipeline task."""

from components.base import component


@component
def preprocess(run_uri: str, dataset_uri: str) -> str:
    """A data set becomes training arrays for this run's recipe; returns their URI."""
    from components.task import task

    with task():
        from medseg.stages import preprocess, record

        return preprocess.preprocess(record.load_run(run_uri), dataset_uri)
