"""Preprocess as a pipeline task, and one part of it for a fan-out."""

from components.base import component


@component
def preprocess(run_uri: str, dataset_uri: str, merge: bool = False, job_id: str = "") -> str:
    """A data set becomes training arrays for this run's recipe; returns their URI. With ``merge`` shards made them."""
    from components.task import task

    with task(run_uri, job_id) as run:
        from medseg.stages import preprocess, record

        stage = preprocess.merge_preprocessed if merge else preprocess.preprocess
        return stage(record.load_run(run), dataset_uri)


@component
def preprocess_shard(run_uri: str, dataset_uri: str, part: str, job_id: str = "") -> None:
    """The training arrays of one part, such as 2/8, are made and left in the store for ``preprocess``."""
    from components.task import task

    with task(run_uri, job_id) as run:
        from medseg.stages import parts, preprocess, record

        preprocess.preprocess_part(record.load_run(run), dataset_uri, parts.Part.of(part))
