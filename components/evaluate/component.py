"""Evaluate as a pipeline task."""

from kfp.dsl import ClassificationMetrics, Metrics, Output

from components.base import component


@component
def evaluate(
    run_uri: str,
    unit_uri: str,
    model: str,
    seed: int,
    fold: int,
    metrics: Output[Metrics],
    confusion: Output[ClassificationMetrics],
    job_id: str = "",
) -> str:
    """The test cases are predicted and scored; returns the URI of the unit's folder."""
    from components.task import task

    with task(run_uri, job_id) as run:
        from medseg.stages import evaluate, life

        with life.alive(run, model):
            summary = evaluate.evaluate(run, model, seed, fold)
        for name, value in (summary.scores if summary else {}).items():
            if value is not None:  # KFP fails a task that logs a value that is not finite
                metrics.log_metric(f"{model}/{name}", value)
        if summary and summary.confusion:
            confusion.log_confusion_matrix(["background", *summary.per_class], summary.confusion)
    return unit_uri
