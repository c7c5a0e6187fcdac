"""What TensorBoard shows of a run's results beside the curves of its trainings: settings, scores and pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
import PIL.Image
from matplotlib.figure import Figure
from tensorboard.compat.proto.summary_pb2 import Summary as Values

from medseg import artifacts
from medseg.artifacts import Summary
from medseg.errors import RecipeError
from medseg.metrics.aggregate import aggregate
from medseg.metrics.table import ScoreRow
from medseg.models import registry
from medseg.reporting.event_file import FILE_NAME, Settings, experiment, picture, scalar, session, write_events
from medseg.reporting.figures.style import STYLE
from medseg.reporting.gallery import Drawing, Gallery
from medseg.reporting.leaderboard_row import BYTES_PER_GB
from medseg.reporting.overlays import PICTURE_PIXELS
from medseg.reporting.results import RunResults, UnitResult
from medseg.reporting.sections.scores import box_plots
from medseg.reporting.sections.voxels import draw_confusion
from medseg.reporting.tables import HEADINGS

SCORES = ("dice", "hd95_mm", "nsd")
COSTS = ("seconds_per_case", "train_seconds", "parameters_millions", "train_peak_gb")
DPI = 100


def write_tensorboard(results: RunResults, gallery: Gallery, folder: Path) -> None:
    """Write ``<model>/seed-<s>/fold-<f>/`` for every training that began, and what compares models at the top.

    Args:
        gallery: drawn cases of the same results.
    """
    units = [unit for unit in results.units if unit.status]
    settings = {unit.uri: _settings(unit, results) for unit in units}
    drawings = [drawing for drawings in gallery.models.values() for drawing in drawings]
    for unit in units:
        values = [
            *session(settings[unit.uri], unit.state, _wall_time(unit)),
            *_scores(unit),
            *_cases([drawing for drawing in drawings if drawing.shown.unit is unit]),
            *_confusion(unit, results),
        ]
        key = artifacts.unit_key(unit.model, unit.seed, unit.fold)
        write_events(folder / key / FILE_NAME, values, _wall_time(unit))
    columns = {f"results/{name}": HEADINGS[name] for name in (*SCORES, *COSTS)}
    values = [experiment(list(settings.values()), columns), *_boxes(results)]
    write_events(folder / FILE_NAME, values, max(map(_wall_time, units), default=0.0))


def _wall_time(unit: UnitResult) -> float:
    """When the training was last heard of, so that equal results make equal files; 0 where it does not say."""
    try:
        return datetime.fromisoformat(unit.status.updated).timestamp() if unit.status else 0.0
    except ValueError:
        return 0.0


def _settings(unit: UnitResult, results: RunResults) -> Settings:
    """What a training was asked to do; without its recipe only which one it is."""
    identity: Settings = {"model": unit.model, "seed": unit.seed, "fold": unit.fold}
    try:
        config = registry.unit_config(results.recipe, unit.model) if results.recipe else None
    except RecipeError:  # of another version of medseg, or of a model that has gone from the recipe since
        config = None
    if config is None:
        return identity
    train = config.train
    common = {**identity, "weights": config.weights, "epochs": train.epochs}
    if registry.find(unit.model).extra:  # trains by its own rules
        return common
    batch_size = registry.batch_size(config)
    return {**common, "optimizer": train.optimizer, "learning_rate": train.learning_rate, "batch_size": batch_size}


def _scores(unit: UnitResult) -> Iterator[Values.Value]:
    if unit.summary and unit.rows:
        for name, value in _final_values(unit.rows, unit.summary).items():
            if value is not None:
                yield scalar(f"results/{name}", value)


def _final_values(rows: Sequence[ScoreRow], summary: Summary) -> dict[str, float | None]:
    """Named as the columns of the leaderboard."""
    peak = summary.train_peak_bytes
    means = aggregate([rows]).scores
    costs = (
        summary.seconds_per_case,
        summary.train_seconds,
        summary.parameters / 1e6,
        None if peak is None else peak / BYTES_PER_GB,
    )
    return {name: means[name] for name in SCORES} | dict(zip(COSTS, costs, strict=True))


def _cases(drawings: Sequence[Drawing]) -> Iterator[Values.Value]:
    """Of each drawn case the slice that the page shows first."""
    for drawing in drawings:
        if drawing.stack and drawing.frame:
            top = PICTURE_PIXELS * drawing.frame.start
            stack = PIL.Image.open(io.BytesIO(drawing.stack.webp))
            buffer = io.BytesIO()
            stack.crop((0, top, PICTURE_PIXELS, top + PICTURE_PIXELS)).save(buffer, format="PNG")
            yield picture(f"results_cases/{drawing.shown.place}", buffer.getvalue())


def _confusion(unit: UnitResult, results: RunResults) -> Iterator[Values.Value]:
    classes = list(results.dataset.labels) if results.dataset else []
    counts = unit.summary.confusion if unit.summary and unit.rows else None
    if counts and len(counts) == len(classes):
        yield picture("results_confusion", _png(draw_confusion(np.array(counts), classes)))


def _boxes(results: RunResults) -> Iterator[Values.Value]:
    for boxes in box_plots(results, results.scored_models):
        yield picture(f"results_boxes/{boxes.name}", _png(boxes.draw(results.models)))


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
