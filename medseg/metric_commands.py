"""The command ``medseg metrics``: the scores of NIfTI files, so that anyone can check them."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg import __version__

if TYPE_CHECKING:
    from medseg.metrics.case import ClassScore


def add_metrics_command(commands: Any) -> None:
    """Make ``metrics`` one of the commands of a parser."""
    metrics = commands.add_parser(
        "metrics",
        help="score NIfTI files against references, as JSON",
        description="Score predictions against references, per case and class, as JSON on standard output. P and R are"
        " NIfTI files, or folders of NIfTI files with equal names. Every value but 0 is a class.",
        epilog="What the metrics mean, and where other libraries differ: medseg/metrics/README.md.",
    )
    metrics.set_defaults(command=_metrics)
    metrics.add_argument("--prediction", required=True, type=Path, metavar="P")
    metrics.add_argument("--reference", required=True, type=Path, metavar="R", help="gives the voxel size")
    tolerance_help = "how far apart surfaces may lie that count as equal, in mm; without it nsd is null"
    metrics.add_argument("--tolerance-mm", type=_tolerance, metavar="T", help=tolerance_help)
    surface_help = "what nsd counts: voxels as MONAI, or area as DeepMind's surface-distance; default: %(default)s"
    metrics.add_argument("--surface", choices=("voxel", "surfel"), default="voxel", help=surface_help)


def _metrics(options: argparse.Namespace) -> int:
    from medseg.stages.score_files import score_files

    scored = score_files(options.prediction, options.reference, options.tolerance_mm, options.surface)
    report = {
        "medseg": __version__,
        "surface": options.surface,
        "tolerance_mm": options.tolerance_mm,
        "scores": [_entry(case, score) for case, score in scored],
    }
    print(json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False))
    return 0


def _entry(case: str, score: ClassScore) -> dict[str, str | float | None]:
    from medseg.metrics.case import METRICS

    values = {metric: getattr(score, metric) for metric in METRICS}
    defined = {metric: None if math.isnan(value) else value for metric, value in values.items()}
    return {"case": case, "class": score.class_name, **defined, "flag": score.flag}


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of mm from 0")
    return value
