"""Preprocess as a pipeline task, and one part of it for a fan-out."""

from components.base import component


@component
def preprocess(run_uri: str, dataset_uri: str, merge: bool = False) -> str:
    """A data set becomes training arrays for this run's recipe; returns their URI. With ``merge`` shards made them."""
    from components.task import task

    with task():
        from medseg.stages import preprocess, record

        stage = preprocess.merge_preprocessed if merge else preprocess.preprocess
        return stage(record.load_run(run_uri), dataset_uri)


@component
def preprocess_shard(run_uri: str, dataset_uri: str, part: str) -> None:
    """The training arrays of one part, such as 2/8, are made and left in the store for ``preprocess``."""
    from components.task import task

    with task():
        from medseg.stages import parts, preprocess, record

        preprocess.preprocess_part(record.load_run(run_uri), dataset_uri, parts.Part.of(part))
