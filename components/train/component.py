"""Train as a pipeline task."""

from components.base import component


@component
def train(run_uri: str, preprocessed_uri: str, model: str, seed: int, fold: int, job_id: str = "") -> str:
    """One model, seed and fold is trained; returns the URI of its folder in the run."""
    from components.task import task

    with task(run_uri, job_id) as run:
        from medseg.stages import life, train

        with life.alive(run, model):
            return train.train(run, preprocessed_uri, model, seed, fold)
