"""Ingest as a pipeline task, and one part of it for a fan-out."""

from kfp.dsl import HTML, Markdown, Output

from components.base import component


@component
def ingest(
    recipe: str,
    run_uri: str,
    summary: Output[Markdown],
    inspection: Output[HTML],
    merge: bool = False,
    job_id: str = "",
) -> str:
    """Raw scans become a canonical data set; returns its URI. With ``merge`` the shards have read them already."""
    from components.task import task

    with task(run_uri, job_id) as run:
        from medseg import artifacts, config, pool
        from medseg.stages import ingest, inspect, record

        parsed = config.recipe_from_yaml(recipe, "recipe")
        record.record_run(parsed, run)
        stage = ingest.merge_parts if merge else ingest.ingest
        dataset_uri = stage(parsed, artifacts.store_uri_of_run(run))
        with open(summary.path, "w") as file:
            file.write(ingest.describe(dataset_uri))
        with open(inspection.path, "wb") as page:
            page.write(inspect.page_of(dataset_uri, parsed.workers or pool.core_count()))
    return dataset_uri


@component
def ingest_shard(recipe: str, run_uri: str, part: str, job_id: str = "") -> None:
    """The cases of one part, such as 2/8, are read and left in the store for ``ingest``."""
    from components.task import task

    with task(run_uri, job_id) as run:
        from medseg import artifacts, config
        from medseg.stages import ingest, parts

        parsed = config.recipe_from_yaml(recipe, "recipe")
        ingest.ingest_part(parsed, artifacts.store_uri_of_run(run), parts.Part.of(part))
