"""Report as the pipeline's exit task."""

from kfp.dsl import HTML, Artifact, Markdown, Output, PipelineTaskFinalStatus

from components.base import component


@component
def report(
    run_uri: str,
    status: PipelineTaskFinalStatus,
    html: Output[HTML],
    leaderboard: Output[Markdown],
    tensorboard: Output[Artifact],
    job_id: str = "",
) -> str:
    """All that a run left in the store becomes one ranked report, whatever happened before; returns its URI."""
    from components.task import task

    with task(run_uri, job_id) as run:
        from medseg import storage
        from medseg.reporting.tensorboard_view import view_command
        from medseg.stages import report

        report_uri = report.report(run).uri
        folder, _, page = report_uri.rpartition("/")
        store = storage.open_store(folder)
        for output, key in ((html, page), (leaderboard, "leaderboard.md")):
            with open(output.path, "wb") as file:
                file.write(store.get_bytes(key))
        # the artifact keeps its own URI: KFP fails a task whose artifact lies outside the pipeline's root
        command = view_command(run)
        tensorboard.metadata.update({"log_dir": run, "command": command})
        with open(tensorboard.path, "w") as file:
            file.write(f"{command}\n")
        with open(leaderboard.path, "a") as file:
            file.write(f"\nCurves, pictures and settings in TensorBoard: `{command}`\n")
    return report_uri
