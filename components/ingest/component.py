"""Ingest as a pipeline task."""

from kfp.dsl import Markdown, Output

from components.base import component


@component
def ingest(recipe: str, run_uri: str, summary: Output[Markdown]) -> str:
    """Raw scans become a canonical data set; returns its URI."""
    from components.task import task

    with task():
        from medseg import artifacts, config
        from medseg.stages import ingest, record

        parsed = config.recipe_from_yaml(recipe, "recipe")
        record.record_run(parsed, run_uri)
        dataset_uri = ingest.ingest(parsed, artifacts.store_uri_of_run(run_uri))
        with open(summary.path, "w") as file:
            file.write(ingest.describe(dataset_uri))
    return dataset_uri
