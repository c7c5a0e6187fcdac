"""Report as the pipeline's exit task."""

from kfp.dsl import HTML, Markdown, Output, PipelineTaskFinalStatus

from components.base import component


@component
def report(run_uri: str, status: PipelineTaskFinalStatus, html: Output[HTML], leaderboard: Output[Markdown]) -> str:
    """All that a run left in the store becomes one ranked report, whatever happened before; returns its URI."""
    from components.task import task

    with task():
        from medseg import storage
        from medseg.stages import report

        report_uri = report.report(run_uri)
        folder, _, page = report_uri.rpartition("/")
        store = storage.open_store(folder)
        for output, key in ((html, page), (leaderboard, "leaderboard.md")):
            with open(output.path, "wb") as file:
                file.write(store.get_bytes(key))
    return report_uri
